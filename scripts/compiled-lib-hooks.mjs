// lib/ is CommonJS and the tests are ES modules. tsx evaluates a CommonJS .ts imported from an ES module apart from the
// same file required elsewhere, so that one class would exist twice and `export *` would show nothing. Tests therefore
// name lib/x.ts (for its types) and run dist/x.js, which is also what users run.
const lib = new URL('../lib/', import.meta.url).href;
const dist = new URL('../dist/', import.meta.url).href;

export function resolve(specifier, context, next) {
  if (/^(\.|file:)/.test(specifier)) {
    const { href } = new URL(specifier, context.parentURL);
    if (href.startsWith(lib))
      return next(dist + href.slice(lib.length).replace(/\.(m?)ts$/, '.$1js'), context);
  }
  return next(specifier, context);
}
