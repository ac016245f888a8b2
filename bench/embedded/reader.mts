// Follows the database of another process and says when it was told of each record. Forked by long.mts: `reader.mts <directory>`.
import { openOurs } from './contenders.mts';
import { Told } from './records.mts';

const [directory] = process.argv.slice(2);
if (directory === undefined || process.send === undefined) throw new Error('forked by long.mts');
const db = await openOurs(directory);
const now = (): number => performance.timeOrigin + performance.now();
const subscription = await db.events.on(Told, ['new'], () => void process.send?.(now()));
process.once('disconnect', () => {
  void subscription.close();
  void db.close();
});
process.send(now());
