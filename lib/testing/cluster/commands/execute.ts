import { messageOf } from '../../../arguments';
import type { Verdict } from '../../requests';
import type { Frame } from '../frame';
import type { PacketQueue } from '../packet';
import { ClusterOpcode, ClusterStatus, Feature, FrameId } from '../protocol';
import { invalid, Refusal } from '../refusal';
import type { Reply, Session } from '../session';
import { clusterCommands } from './cluster-info';
import type { Command } from './command';
import { dcpCommands } from './dcp';
import { documentCommands } from './documents';
import { handshakeCommands } from './handshake';
import { rangeScanCommands } from './range-scan';
import { subDocumentCommands } from './sub-document';

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  ...handshakeCommands,
  ...clusterCommands,
  ...documentCommands,
  ...subDocumentCommands,
  ...rangeScanCommands,
  ...dcpCommands,
]);

/** Quiet opcodes: the plain opcode, and the status for which no response is sent. */
const QUIET: ReadonlyMap<number, { readonly loud: number; readonly unsaid: number }> = new Map(
  [
    [ClusterOpcode.getq, ClusterOpcode.get, ClusterStatus.keyNotFound],
    [ClusterOpcode.getkq, ClusterOpcode.getk, ClusterStatus.keyNotFound],
    [ClusterOpcode.gatq, ClusterOpcode.gat, ClusterStatus.keyNotFound],
    [ClusterOpcode.getMetaq, ClusterOpcode.getMeta, ClusterStatus.keyNotFound],
    [ClusterOpcode.setq, ClusterOpcode.set, ClusterStatus.success],
    [ClusterOpcode.addq, ClusterOpcode.add, ClusterStatus.success],
    [ClusterOpcode.replaceq, ClusterOpcode.replace, ClusterStatus.success],
    [ClusterOpcode.deleteq, ClusterOpcode.delete, ClusterStatus.success],
    [ClusterOpcode.incrementq, ClusterOpcode.increment, ClusterStatus.success],
    [ClusterOpcode.decrementq, ClusterOpcode.decrement, ClusterStatus.success],
    [ClusterOpcode.appendq, ClusterOpcode.append, ClusterStatus.success],
    [ClusterOpcode.prependq, ClusterOpcode.prepend, ClusterStatus.success],
  ].map(([opcode = 0, loud = 0, unsaid = 0]) => [opcode, { loud, unsaid }]),
);

/** The frame infos that a request may contain, and the feature that each needs. */
const FRAMES: ReadonlyMap<number, number> = new Map([
  [FrameId.barrier, Feature.altRequest],
  [FrameId.durability, Feature.syncReplication],
  [FrameId.dcpStreamId, Feature.altRequest],
  [FrameId.preserveTtl, Feature.preserveTtl],
]);

/** Executes a request and adds its answer, if it has one, to `answers`. */
export function execute(request: Frame, session: Session, answers: PacketQueue): Verdict {
  if (!request.isRequest) {
    session.answered?.();
    return 'continue';
  }
  const quiet = QUIET.get(request.opcode);
  const asked = { opcode: request.opcode, opaque: request.opaque };
  const outcome = outcomeOf(request, quiet?.loud ?? request.opcode, session);
  if (outcome === 'quit') return 'stop';
  for (const reply of outcome)
    if (quiet === undefined || (reply.status ?? ClusterStatus.success) !== quiet.unsaid)
      answers.push(session.answer(asked, reply));
  return 'continue';
}

function outcomeOf(request: Frame, opcode: number, session: Session): readonly Reply[] | 'quit' {
  try {
    const outcome = commandFor(request, opcode, session).execute(request, session);
    if (outcome === undefined) return [];
    if (outcome === 'quit') return outcome;
    return 'length' in outcome ? outcome : [outcome];
  } catch (error) {
    return [session.refusal(error instanceof Refusal ? error : internal(error))];
  }
}

/** A malformed request must not end the process: the client gets the error. */
function internal(error: unknown): Refusal {
  return new Refusal(ClusterStatus.internal, { error: { context: messageOf(error) } });
}

function commandFor(request: Frame, opcode: number, session: Session): Command {
  const command = COMMANDS.get(opcode);
  if (command === undefined) throw new Refusal(ClusterStatus.unknownCommand);
  checkFraming(request, session);
  if (command.audience !== 'anybody' && !session.isAuthenticated)
    throw new Refusal(ClusterStatus.accessDenied, { error: { context: 'Nobody has authenticated' } });
  if (command.audience === 'bucket' && session.bucket === undefined)
    throw new Refusal(ClusterStatus.noBucket, { error: { context: 'No bucket has been selected' } });
  if (request.oversized) throw new Refusal(ClusterStatus.tooLarge);
  return command;
}

function checkFraming(request: Frame, session: Session): void {
  if (request.framingLength === 0) return;
  const framing = request.framing();
  if (framing === undefined) throw invalid('The framing extras contradict themselves');
  for (const { id } of framing) {
    const feature = FRAMES.get(id);
    if (feature === undefined) throw new Refusal(ClusterStatus.unknownFrameInfo);
    if (!session.has(feature)) throw invalid('The framing extras have what was not agreed to');
  }
}
