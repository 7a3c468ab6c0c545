import { truthOf } from './hostile.ts'

truthOf('saml-frame')
