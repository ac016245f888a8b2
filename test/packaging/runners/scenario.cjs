// What a test of somebody who uses the package does, the same for each runner: both engines, before, while and after the timers are fakes.
exports.scenario = async ({ evenkeel, testing, useFakeTimers, useRealTimers }) => {
  const { connect, defineClass, field, KeyExistsError, onNew } = evenkeel;
  const server = await testing.startServer();
  const remote = await connect(server.url);
  const fields = { id: field.uint32(), text: field.string() };
  const Note = defineClass('Note', { key: 'id', fields, events: [onNew()] });
  const local = await connect('embedded:', { classes: [Note] });
  const told = [];
  const subscription = await local.events.on(Note, ['new'], ({ key }) => void told.push(key));

  const round = async (id) => {
    await remote.upsert(`key-${id}`, { id });
    await local.records(Note).insert({ id, text: 'hello' });
    await subscription.caughtUp();
    const found = await remote.get(`key-${id}`);
    if (found.id !== id || told.at(-1) !== id) throw new Error(`${id}: ${JSON.stringify(found)}, ${told}`);
  };
  await round(1);
  useFakeTimers();
  await round(2);
  useRealTimers();
  await round(3);

  const error = await local
    .records(Note)
    .insert({ id: 1, text: 'again' })
    .catch((thrown) => thrown);
  if (!(error instanceof KeyExistsError)) throw error;
  await local.close();
  await remote.close();
  await server.close();
};
