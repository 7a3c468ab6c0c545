import type { ProblemView } from '../admin/schemas.ts'

/** An answer of the API that says no. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly problem: ProblemView
  constructor(problem: ProblemView) {
    super(problem.detail ?? problem.title)
    this.problem = problem
  }
}
