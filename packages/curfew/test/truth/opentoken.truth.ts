import { truthOf } from './hostile.ts'

truthOf('opentoken')
