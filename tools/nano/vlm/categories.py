"""What kind of thing a concept is, from CLDR's subgroups, with the exceptions that they hold.

A concept has one *kind*, the answer to "What kind of thing is this?", and a set of *categories*, the things for which
"Is this …?" is answered with yes. A category is named by the noun phrase that the question uses.
"""
import json

from data import CACHE

# subgroup -> (kind, further categories)
SUBGROUPS = {
    **dict.fromkeys(("face-smiling", "face-affection", "face-tongue", "face-hand", "face-neutral-skeptical", "face-sleepy", "face-unwell",
                     "face-hat", "face-glasses", "face-concerned", "face-negative", "face-costume"), ("a face",)),
    "cat-face": ("a face", "an animal"), "monkey-face": ("an animal",),
    "heart": ("a heart",), "emotion": ("a symbol",),
    **dict.fromkeys(("hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed", "hands"),
                    ("a hand", "a body part")),
    "hand-prop": (), "body-parts": ("a body part",),
    **dict.fromkeys(("person", "person-gesture", "person-role", "person-fantasy", "person-activity", "person-sport", "person-resting", "family"),
                    ("a person",)),
    "person-symbol": (),
    "animal-mammal": ("an animal", "a mammal"), "animal-bird": ("an animal", "a bird"), "animal-amphibian": ("an animal",),
    "animal-reptile": ("an animal", "a reptile"), "animal-marine": ("an animal", "a sea animal"), "animal-bug": ("an animal", "a bug"),
    "plant-flower": ("a plant", "a flower"), "plant-other": ("a plant",),
    "food-fruit": ("food", "a fruit"), "food-vegetable": ("food", "a vegetable"), "food-prepared": ("food",), "food-asian": ("food",),
    "food-sweet": ("food", "a sweet"), "drink": ("a drink",), "dishware": ("an object",),
    "place-map": ("an object",), "place-geographic": ("a place",), "place-building": ("a building", "a place"),
    "place-religious": ("a building", "a place"), "place-other": ("a place",),
    "transport-ground": ("a vehicle",), "transport-water": ("a vehicle",), "transport-air": ("a vehicle",), "hotel": ("an object",),
    "time": ("a clock",), "sky-weather": ("sky or weather",), "event": ("an object",), "award-medal": ("an award", "an object"),
    "sport": ("sports equipment", "an object"), "game": ("an object",), "arts-crafts": ("an object",), "clothing": ("clothing",),
    "musical-instrument": ("a musical instrument", "an object"),
    **dict.fromkeys(("sound", "music", "phone", "computer", "light-video", "book-paper", "money", "mail", "writing", "office", "lock",
                     "science", "medical", "household", "other-object"), ("an object",)),
    "tool": ("a tool", "an object"),
    **dict.fromkeys(("transport-sign", "warning", "arrow", "religion", "zodiac", "av-symbol", "gender", "math", "punctuation", "currency",
                     "other-symbol", "keycap", "alphanum", "geometric"), ("a symbol",)),
    **dict.fromkeys(("flag", "country-flag", "subdivision-flag"), ("a flag",)),
}

# what CLDR puts into a subgroup without being of its kind
EXCEPTIONS = {
    (): "paw prints;pig nose;feather;wing;spiral shell;coral;spider web;microbe;empty nest;nest with eggs",
    ("an object",): "love letter;selfie;nail polish;bouquet;rosette;oil drum;fuel pump;wheel;police car light;horizontal traffic light;"
                    "vertical traffic light;anchor;ring buoy;seat;thermometer;closed umbrella;umbrella;umbrella with rain drops;barber pole;"
                    "brick;thread;yarn;baby bottle;teapot;jack-o-lantern;ice skate;glasses;sunglasses;goggles;folding hand fan;hair pick;"
                    "prayer beads;lipstick;ring;gem stone;hourglass done;hourglass not done;salt;luggage",
    ("a symbol",): "bus stop;stop sign;construction;high voltage;speaking head;bust in silhouette;busts in silhouette;footprints;fingerprint;"
                   "hundred points;no bicycles",
    ("a place",): "motorway;railway track;station;landslide;rock;fountain;tent",
    ("a person", "a place"): "wedding",
    ("a plant", "a tree"): "evergreen tree;deciduous tree;palm tree;leafless tree;Christmas tree;tanabata tree",
    ("a person",): "family: adult, adult, child;family: adult, adult, child, child;family: adult, child;family: adult, child, child;"
                   "people hugging;family",
    ("a hand", "a body part"): "writing hand;waving hand",
    ("a place", "sky or weather"): "foggy;night with stars;sunrise over mountains;sunrise;sunset;cityscape at dusk;bridge at night",
    ("a drink",): "glass of milk;ice",
    ("sports equipment", "an object", "a vehicle"): "skateboard;roller skate;sled",
    ("a face", "sky or weather"): "new moon face;first quarter moon face;last quarter moon face;full moon face;sun with face;wind face",
    ("an object", "a musical instrument"): "postal horn;bell",
    ("clothing", "sports equipment"): "running shirt;martial arts uniform;running shoe;boxing glove",
    ("an object", "a bag"): "purse;handbag;clutch bag;shopping bags;backpack;briefcase;money bag",
}

# more categories by name; nothing is taken away
ALSO = {
    "a fish": "fish;tropical fish;blowfish;shark",
    "a mammal": "spouting whale;whale;dolphin;orca;seal",
    "a bird": "black bird;hatching chick;baby chick;front-facing baby chick;penguin;chicken;rooster;turkey",
    "a tree": "evergreen tree;deciduous tree;palm tree;leafless tree;Christmas tree;tanabata tree",
    "a ball": "soccer ball;baseball;softball;basketball;volleyball;tennis;pool 8 ball;american football;rugby football;crystal ball",
    "a car": "police car;oncoming police car;taxi;oncoming taxi;automobile;oncoming automobile;sport utility vehicle;racing car",
    "a train": "locomotive;high-speed train;bullet train;train;metro;light rail;tram;tram car;railway car;monorail;mountain railway",
    "a boat": "sailboat;canoe;speedboat;passenger ship;ferry;motor boat;ship",
    "a book": "closed book;open book;green book;blue book;orange book;books;notebook;notebook with decorative cover;ledger",
    "a bug": "honeybee;lady beetle;butterfly",
    "a shoe": "man’s shoe;running shoe;hiking boot;flat shoe;high-heeled shoe;woman’s sandal;ballet shoes;woman’s boot;thong sandal",
    "a hat": "woman’s hat;top hat;graduation cap;billed cap;crown;military helmet;rescue worker’s helmet",
    "a bag": "purse;handbag;clutch bag;shopping bags;backpack",
    "electronic": "mobile phone;mobile phone with arrow;telephone;pager;fax machine;laptop;desktop computer;printer;keyboard;computer mouse;"
                  "television;camera;camera with flash;video camera;movie camera;radio;video game;joystick",
}

# where the answer could be argued about, the question is not asked: category -> kinds and subgroups
DOUBTFUL = {
    "an object": {"a vehicle", "clothing", "a tool", "food", "a drink", "a plant", "a symbol", "a flag", "a clock", "a heart", "a building",
                  "a place", "a body part", "a hand", "an award", "sky or weather", "animal-marine"},
    "a mammal": {"a person", "a face"}, "a face": {"a person", "an animal"}, "a person": {"a face", "a hand", "a body part", "person-symbol"},
    "a body part": {"a person", "a face", "a heart"}, "a hand": {"a person"}, "an animal": {"a face", "a person"},
    "food": {"a drink", "plant-other", "dishware"}, "a drink": {"dishware"}, "a plant": {"food-fruit", "food-vegetable", "event"},
    "a fruit": {"food-vegetable", "plant-other"}, "a vegetable": {"food-fruit", "plant-other"}, "a sweet": {"food"}, "a flower": {"a plant"},
    "a tree": {"a plant", "event"}, "a tool": {"an object", "dishware"}, "an award": {"an object"}, "a book": {"book-paper"},
    "electronic": {"sound", "music", "phone", "computer", "light-video", "musical-instrument", "time", "game", "household"},
    "a symbol": {"a heart", "a flag", "emotion", "person-symbol"}, "a heart": {"game"}, "a building": {"a place"}, "a place": {"sky or weather"},
    "sky or weather": {"a place", "place-map"}, "a clock": {"an object"}, "a vehicle": {"a place", "sport"}, "a car": {"a vehicle"},
    "sports equipment": {"clothing", "a vehicle", "game", "an award"}, "clothing": {"sport", "person", "person-role"}, "a ball": {"game"},
    "a sea animal": {"a reptile", "an animal"}, "a fish": {"animal-marine", "food-asian"}, "a bug": {"animal-marine", "animal-amphibian"},
    "a musical instrument": {"sound", "music"}, "a bag": {"an object"}, "a hat": {"clothing"}, "a reptile": {"animal-amphibian"},
}


def kinds_and_categories(concepts):
    """For each concept its kind (None where CLDR gives no sure answer), the categories it is in and those it is surely not in."""
    names = json.loads((CACHE / "node_modules/emojibase-data/meta/groups.json").read_text())["subgroups"]
    exceptions = {label: of for of, labels in EXCEPTIONS.items() for label in labels.split(";")}
    also = {}
    for category, labels in ALSO.items():
        for label in labels.split(";"):
            also.setdefault(label, set()).add(category)
    everything = sorted({c for of in [*SUBGROUPS.values(), *EXCEPTIONS] for c in of} | set(ALSO))
    kinds, categories, others = [], [], []
    for concept in concepts:
        of = exceptions.get(concept["label"], SUBGROUPS[names[str(concept["subgroup"])]])
        kinds.append(of[0] if of else None)
        mine = set(of) | also.get(concept["label"], set()) | ({"a face"} if concept["label"].endswith(" face") else set())
        about = {of[0] if of else None, *mine, names[str(concept["subgroup"])]}
        categories.append(sorted(mine))
        others.append([c for c in everything if c not in mine and not DOUBTFUL.get(c, set()) & about] if of else [])
    return kinds, categories, others
