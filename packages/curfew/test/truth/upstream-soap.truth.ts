import { truthOf } from './hostile.ts'

truthOf('upstream-soap')
