import type { ConfigInput } from './schema.ts'

/** Types a configuration that a program writes; it is checked when it is loaded. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}
