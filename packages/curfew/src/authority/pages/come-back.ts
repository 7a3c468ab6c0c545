/** Where a page goes on when it is still shown after some time. */
export interface ComeBack {
  readonly path: string
  readonly afterMs: number
}

/** The line of a script that does so. A page that was left for somebody who does not answer is still shown: the browser gives that visit up. */
export function goAfter({ path, afterMs }: ComeBack): string {
  return `setTimeout(() => location.replace(${JSON.stringify(path)}), ${afterMs})`
}
