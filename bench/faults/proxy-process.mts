// A process with a proxy of test/faults in it, so that what it does to the bytes holds up nobody's measuring. Its argument
// is the port of the server behind it.
import { CLEAR, FaultProxy } from '../../test/faults/proxy.mts';

const proxy = await FaultProxy.start(Number(process.argv[2]), Math.random);
process.on('message', (weather: object) => {
  proxy.weather = { ...CLEAR, ...weather };
});
process.on('disconnect', () => process.exit());
process.send?.(proxy.port);
