export type { EvenkeelInstrumentationOptions } from './instrumentation';
export { EvenkeelInstrumentation } from './instrumentation';
