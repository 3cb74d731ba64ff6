/**
 * The glue that the adapters build on. Not public: it may change in any release, and nothing outside `@holdfast/*` should import it.
 */
export { answerHealth, type AnswerHealth } from './http/answer-health.ts';
export { isDrained } from './http/drain-server.ts';
export { listenServer, type ListenSteps } from './http/listen-server.ts';
export { openRequestScope, requestScopeOf, type NodeRequest } from './http/request-scope.ts';
export type { NodeResponse } from './http/response-end.ts';
