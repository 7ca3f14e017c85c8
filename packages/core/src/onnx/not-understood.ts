/** Something in a graph that is left alone, and so the whole graph with it. */
export class NotUnderstood extends Error {}
