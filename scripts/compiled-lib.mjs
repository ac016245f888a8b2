// `node --import tsx --import ./scripts/compiled-lib.mjs file.mts`: what the file imports from lib/ comes from dist/.
import { register } from 'node:module';

register('./compiled-lib-hooks.mjs', import.meta.url);
