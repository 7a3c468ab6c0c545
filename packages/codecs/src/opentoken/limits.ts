/** Bounds of tokens, one place. */
export const openTokenLimits = {
  /** Longest token that is read, in characters: it has to fit into an address or a cookie anyway. */
  charactersMax: 32_768,
  /** Largest payload after inflating, in bytes: a compression bomb is refused before it has that size. */
  payloadBytesMax: 65_536,
  /** Most lines `key=value` of a payload. */
  attributesMax: 1_000,
  /** Longest key, in characters. */
  keyCharactersMax: 256,
  /** Largest `agent-config.txt`, in bytes. */
  agentConfigBytesMax: 65_536
} as const
