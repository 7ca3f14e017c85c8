import { byteAlphabet, clipByteOrder } from '../../src/text/bpe.js';
import { bundledClipVocabulary } from '../../src/text/bundled-clip-vocabulary.js';

/** The bundled vocabulary as Hugging Face's `tokenizer.json` of a CLIPTokenizer. */
export function clipTokenizerJson() {
  const { left, right, startTokenId, endTokenId } = bundledClipVocabulary();
  const alphabet = byteAlphabet();
  const tokens = clipByteOrder().map((byte) => alphabet[byte]);
  tokens.push(...tokens.map((token) => `${token}</w>`));
  const merges: string[] = [];
  for (let rank = 0; rank < left.length; rank++) {
    merges.push(`${tokens[left[rank]]} ${tokens[right[rank]]}`);
    tokens.push(tokens[left[rank]] + tokens[right[rank]]);
  }
  tokens.push('<|startoftext|>', '<|endoftext|>');
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: true,
    special: true,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(startTokenId, '<|startoftext|>'), special(endTokenId, '<|endoftext|>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['<|endoftext|>', endTokenId],
      cls: ['<|startoftext|>', startTokenId],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<|endoftext|>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
