/**
 * The sample service, a webhook relay: its domain, written once, without a framework.
 */
export {};
