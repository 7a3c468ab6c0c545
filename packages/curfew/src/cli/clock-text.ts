/** How far a clock is from the time of the store, in words. */
export function clockText(aheadMs: number): string {
  return `the clock of this machine is ${Math.abs(aheadMs)} ms ${aheadMs > 0 ? 'ahead of' : 'behind'} the time of the store`
}
