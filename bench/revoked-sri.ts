/** SRIs of a list that is made for measuring; the first are looked up. */
export function revokedSri(i: number): string {
  // As long as a real one.
  return i < 10_000 ? `revoked ${i}` : `sri_${i}_${'x'.repeat(40)}`
}
