/**
 * Loads a module without one known notice of it on standard error; everything else that it says is said.
 * @param notice - part of the notice
 */
export async function quietImport<T>(notice: string, load: () => Promise<T>): Promise<T> {
  const write = process.stderr.write.bind(process.stderr)
  process.stderr.write = ((text: string | Uint8Array, ...rest: []) =>
    String(text).includes(notice) ? true : write(text, ...rest)) as typeof process.stderr.write
  try {
    return await load()
  } finally {
    process.stderr.write = write
  }
}
