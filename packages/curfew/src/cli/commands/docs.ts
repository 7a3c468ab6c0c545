import { readFileSync } from 'node:fs'
import { type CommandContext, printJson } from '../context.ts'
import { docsFolder, docTopics, findTopics, nearestTopic } from '../doc-topics.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { table } from '../table.ts'

/** `curfew docs [topic]`: the pages that come with this version, as Markdown; without a topic their list. */
export function docs(context: CommandContext, word: string | undefined): ExitCode {
  return word === undefined ? listTopics(context) : showTopic(context, word)
}

function listTopics(context: CommandContext): ExitCode {
  const { terminal } = context
  const topics = docTopics(docsFolder())
  if (
    printJson(
      context,
      topics.map(({ name, title }) => ({ topic: name, title }))
    )
  )
    return exitCode.done
  const width = Math.max(...topics.map(({ name }) => name.length)) + 2
  const columns = [{ title: 'TOPIC' }, { title: 'WHAT IT IS ABOUT', charactersMax: Math.max(20, terminal.columns - width) }]
  for (const line of table(
    columns,
    topics.map(({ name, title }) => [name, title])
  ))
    terminal.out(line)
  terminal.note('Read one: curfew docs tls     An error code: curfew docs CURFEW_RUN_DEADLINE')
  return exitCode.done
}

function showTopic(context: CommandContext, word: string): ExitCode {
  const { terminal } = context
  const root = docsFolder()
  const [topic, ...others] = findTopics(root, word)
  if (topic === undefined) {
    const meant = nearestTopic(root, word)
    terminal.error(`There is no topic ${word}.${meant === undefined ? '' : ` Did you mean ${meant}?`} All of them: curfew docs`)
    return exitCode.notFound
  }
  if (others.length > 0) {
    terminal.error(`${word} is the name of several: ${[topic, ...others].map(({ name }) => name).join(', ')}. Say which one.`)
    return exitCode.needsInput
  }
  const text = readFileSync(topic.file, 'utf8')
  if (printJson(context, { topic: topic.name, title: topic.title, text })) return exitCode.done
  for (const line of text.trimEnd().split('\n')) terminal.out(/^#{1,6} /.test(line) ? terminal.style('bold', line) : line)
  return exitCode.done
}
