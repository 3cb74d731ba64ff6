/** Where the relay is found in Nest's container. */
export const RELAY: unique symbol = Symbol('relay');
