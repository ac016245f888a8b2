/**
 * Resolves when at least so many ms have passed. One timer may come before: it counts from when the loop last looked at the
 * clock, and on a loaded machine that was a while ago.
 */
export async function pause(ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let left = ms; left > 0; left = end - performance.now())
    await new Promise((resolve) => setTimeout(resolve, Math.ceil(left)));
}
