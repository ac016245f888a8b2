/** The name of a member, or the index of an element; -1: the last. */
export type Component = string | number;

/** Maximum number of components. */
const DEEPEST = 32;

/** Parses a sub-document path. Backticks quote names with special characters. */
export function parsePath(path: string): Component[] | 'invalid' | 'too deep' {
  const components: Component[] = [];
  let at = 0;
  while (at < path.length) {
    if (path[at] === '[') {
      const index = /^\[(-1|\d{1,9})\]/.exec(path.slice(at, at + 12));
      if (index === null) return 'invalid';
      components.push(Number(index[1]));
      at += index[0].length;
    } else {
      if (components.length > 0) {
        if (path[at] !== '.') return 'invalid';
        at += 1;
      }
      const name = path[at] === '`' ? quotedName(path, at) : plainName(path, at);
      if (name === undefined) return 'invalid';
      components.push(name.text);
      at = name.end;
    }
    if (components.length > DEEPEST) return 'too deep';
  }
  return components;
}

interface Name {
  readonly text: string;
  readonly end: number;
}

function plainName(path: string, at: number): Name | undefined {
  let end = at;
  while (end < path.length && path[end] !== '.' && path[end] !== '[') {
    if (path[end] === '`' || path[end] === ']') return undefined;
    end += 1;
  }
  return end === at ? undefined : { text: path.slice(at, end), end };
}

/** Within backticks, a doubled backtick means one. */
function quotedName(path: string, at: number): Name | undefined {
  let text = '';
  for (let end = at + 1; end < path.length; end += 1) {
    if (path[end] !== '`') {
      text += path[end];
    } else if (path[end + 1] === '`') {
      text += '`';
      end += 1;
    } else {
      return text === '' ? undefined : { text, end: end + 1 };
    }
  }
  return undefined;
}
