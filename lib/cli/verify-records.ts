// node verify-records.js <directory>: reads every record of an embedded database by its key and by each of its indexes.
import { type ClassDefinition, connect, type Database } from '../index';
import { complain } from './output';

async function verify(path: string): Promise<void> {
  const opened = await connect(`embedded://${path.split('/').map(encodeURIComponent).join('/')}`, {
    readOnly: true,
    allowForeignOwner: true,
  });
  const db = opened as unknown as Database<readonly ClassDefinition[]>;
  for (const definition of db.classes) {
    const records = db.records(definition);
    await records.find().count();
    for (const [index, { type }] of Object.entries(definition.indexes))
      if (type !== 'hash') await records.find({ index }).count();
  }
  await db.close();
}

const path = process.argv[2];
if (path !== undefined) {
  verify(path).catch((error: unknown) => {
    complain(`${String(error)}\n`);
    process.exit(1);
  });
}
