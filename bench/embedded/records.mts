import { defineClass, field, index, onDelete, onDeleteAll, onNew, onUpdate } from '../../lib/index.ts';

/** About 100 bytes, the same for every contender. */
export interface Reading {
  readonly id: number;
  readonly sensor: string;
  readonly room: string;
  readonly celsius: number;
  readonly humidity: number;
  readonly state: 'ok' | 'warm' | 'hot';
  readonly at: Date;
}

const STATES = ['ok', 'warm', 'hot'] as const;
export const SENSORS = 200;

export function reading(id: number): Reading {
  return {
    id,
    sensor: `sensor-${id % SENSORS}`,
    room: `building 7, floor ${id % 9}, room ${id % 400}`,
    celsius: 15 + (id % 200) / 10,
    humidity: 30 + (id % 500) / 10,
    state: STATES[id % 3] ?? 'ok',
    at: new Date(1_700_000_000_000 + id * 1000),
  };
}

const fields = {
  id: field.uint32(),
  sensor: field.string(),
  room: field.string(),
  celsius: field.float64(),
  humidity: field.float64(),
  state: field.enumeration('ok', 'warm', 'hot'),
  at: field.datetime(),
};
export const Told = defineClass('Told', {
  key: 'id',
  fields,
  events: [onNew(), onUpdate(), onDelete(), onDeleteAll()],
});
export const Silent = defineClass('Silent', { key: 'id', fields });
export const Indexed = defineClass('Indexed', {
  key: 'id',
  fields,
  indexes: { bySensor: index('sensor', 'at') },
});
export const classes = [Told, Silent, Indexed] as const;
