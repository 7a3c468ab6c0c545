import { truthOf } from './hostile.ts'

truthOf('saml-artifact')
