/** True when the two are the same type, `any` and optional properties told apart. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles when what is given has exactly the type asked for: `is<string>()(text, true)`. */
export function is<Expected>(): <Actual>(value: Actual, same: Same<Actual, Expected>) => void {
  return () => {};
}
