/** Candidates: what the pictures show, and much that they do not. */
export const labels = [
  'airplane', 'anchor', 'ant', 'apple', 'avocado', 'banana', 'baseball', 'basketball', 'bear', 'bell',
  'bicycle', 'bird', 'boat', 'book', 'bread', 'broccoli', 'bus', 'butterfly', 'cactus', 'cake',
  'camel', 'camera', 'candle', 'car', 'carrot', 'castle', 'cat', 'cheese', 'cherries', 'chicken',
  'clock', 'cloud', 'cookie', 'cow', 'crab', 'crown', 'dog', 'dolphin', 'door', 'dragon',
  'drum', 'duck', 'egg', 'elephant', 'fire', 'fish', 'flower', 'football', 'fox', 'frog',
  'ghost', 'grapes', 'guitar', 'hamburger', 'hammer', 'hat', 'heart', 'horse', 'house', 'ice cream',
  'key', 'kite', 'lemon', 'lion', 'monkey', 'moon', 'motorcycle', 'mouse', 'mushroom', 'octopus',
  'owl', 'panda', 'peach', 'penguin', 'piano', 'pig', 'pineapple', 'pizza', 'rabbit', 'rainbow',
  'robot', 'rocket', 'rose', 'scissors', 'sheep', 'ship', 'shoe', 'snake', 'snowman', 'spider',
  'star', 'strawberry', 'sun', 'tiger', 'tomato', 'train', 'tree', 'truck', 'turtle', 'umbrella',
  'unicorn', 'violin', 'watermelon', 'whale',
];
