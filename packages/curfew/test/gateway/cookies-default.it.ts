import { cookieJourneys } from './cookie-modes.ts'

cookieJourneys(false)
