import { type AttackClass, type Defence, edited } from './attack.ts'

/** The page that leads from each class to its tests and to the line that defends. */
export function indexPage(classes: readonly AttackClass[], read: (file: string) => string): string {
  const lines = [
    '# Attacks',
    '',
    'Generated from `classes/` by `node tools/generate.ts`. Each class of attack, the tests that show that it fails, and what each of them needs: `npm run defences` takes that away, in memory, and demands that the test fails.',
    '',
    'Beside the tests named here their files hold more of the same kind.',
    ''
  ]
  for (const { name, defences } of classes) {
    lines.push(`## ${name}`, '', '| test | fails without | defended in |', '| --- | --- | --- |')
    for (const defence of defences) lines.push(`| ${link(defence.file, cell(defence.test))} | ${cell(defence.without)} | ${places(defence, read)} |`)
    lines.push('')
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function places({ edits }: Defence, read: (file: string) => string): string {
  for (const edit of edits) edited(read(edit.file), edit)
  const files = [...new Set(edits.map(({ file }) => file))]
  return files.map((file) => link(file, `\`${file.replace(/^packages\//, '').replace('/src/', ' ')}\``)).join(', ')
}

function link(file: string, text: string): string {
  return `[${text}](../${file})`
}

function cell(text: string): string {
  return text.replaceAll(/[|[\]<>*_`\\]/g, (mark) => `\\${mark}`)
}
