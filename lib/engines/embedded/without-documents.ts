import { UnsupportedError } from '../../errors';

export const withoutDocuments = (feature: string): UnsupportedError =>
  new UnsupportedError(`the embedded engine has no ${feature}`);
