import { connect, type Socket } from 'node:net';

/** A socket that speaks text and knows nothing of any client. */
export class TextClient {
  readonly #socket: Socket;
  /** Everything that has arrived since it was last taken. */
  #text = '';
  #open = true;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#changed();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#open = false;
      this.#changed();
    });
  }

  static async connect({ port }: { readonly port: number }): Promise<TextClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new TextClient(socket);
  }

  send(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** Sends commands and returns the answers to them, without that to a fence behind them. */
  async ask(text: string): Promise<string> {
    this.send(`${text}mn\r\n`);
    return this.until((answers) => /(^|\n)MN\r\n$/.test(answers)).then((answers) => answers.slice(0, -4));
  }

  /** Everything there is, as soon as it is enough or the connection has ended. */
  async until(isEnough: (text: string) => boolean): Promise<string> {
    while (this.#open && !isEnough(this.#text))
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    const text = this.#text;
    this.#text = '';
    return text;
  }

  /** Sends the last of it; all that is answered until the connection ends. */
  async finish(text = ''): Promise<string> {
    this.#socket.end(text, 'latin1');
    return this.until(() => false);
  }
}
