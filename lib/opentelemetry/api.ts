import { UnsupportedError } from '../errors';

export type Api = typeof import('@opentelemetry/api');

/** Loads the optional peer dependency. */
export function loadApi(): Api {
  try {
    return require('@opentelemetry/api') as Api;
  } catch (cause) {
    const message = 'evenkeel/opentelemetry needs the package @opentelemetry/api, which cannot be loaded';
    throw new UnsupportedError(message, { cause });
  }
}
