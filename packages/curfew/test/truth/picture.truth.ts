import { truthOf } from './hostile.ts'

truthOf('picture')
