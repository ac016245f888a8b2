const longKey = 'k'.repeat(250);
const tooLongKey = 'k'.repeat(251);
const large = (size: number): string => 'x'.repeat(size);

/**
 * A name, and commands of the text and meta protocols in steps: each is answered before the next is sent, and the
 * connection ends behind the last one.
 */
export const SCRIPTS: (readonly [name: string, ...steps: string[]])[] = [
  ['set and get', 'set a 5 0 3\r\nabc\r\nget a\r\nget b\r\nget a b a\r\n'],
  [
    'gets, gat and gats',
    'set a 5 0 3\r\nabc\r\ngets a\r\ngat 100 a b\r\ngats 100 a\r\nmg a t\r\ngat 0\r\ngat x a\r\ngat -1 a\r\nget a\r\n',
  ],
  ['bget', 'set a 0 0 1\r\n1\r\nbget a\r\n'],
  [
    'add and replace',
    'add a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nreplace a 3 0 1\r\n3\r\nreplace b 0 0 1\r\n4\r\nget a b\r\n',
  ],
  [
    'append and prepend',
    'append a 0 0 1\r\n1\r\nset a 9 0 1\r\n2\r\nappend a 1 0 2\r\n34\r\nprepend a 0 0 2\r\n01\r\nget a\r\n',
  ],
  [
    'cas',
    'cas a 0 0 1 1\r\n1\r\nset a 0 0 1\r\n1\r\n',
    'cas a 4 0 1 %a%\r\n2\r\ngets a\r\n',
    'cas a 0 0 1 %a+1%\r\n3\r\ncas a 0 0 1 0\r\n4\r\ncas a 0 0 1 x\r\nget a\r\n',
    'cas a 0 0 1 %a% noreply\r\n5\r\nget a\r\n',
  ],
  [
    'delete',
    'set a 0 0 1\r\n1\r\ndelete a\r\ndelete a\r\ndelete a 0\r\ndelete a 5\r\ndelete a noreply\r\ndelete a 0 noreply\r\ndelete a 5 noreply\r\ndelete a 0 x\r\ndelete a b c d\r\ndelete\r\n',
  ],
  [
    'incr and decr',
    'incr a 1\r\nset a 0 0 2\r\n10\r\nincr a 5\r\ndecr a 10\r\nget a\r\ndecr a 100\r\nget a\r\nincr a x\r\nincr a -1\r\nincr a 18446744073709551615\r\nincr a 2\r\nincr a 1 noreply\r\nget a\r\nincr a\r\nset t 0 0 1\r\nx\r\nincr t 1\r\nset e 0 0 0\r\n\r\nincr e 1\r\n',
  ],
  [
    'touch',
    'touch a 5\r\nset a 0 0 1\r\n1\r\ntouch a 100\r\nmg a t\r\ntouch a x\r\ntouch a 5 noreply\r\ntouch a\r\ntouch a -1\r\nget a\r\n',
  ],
  [
    'expiries',
    'set a 0 -1 1\r\n1\r\nget a\r\nset a 0 2592001 1\r\n1\r\nget a\r\nset a 0 99999999999 1\r\n1\r\nget a\r\nset a 0 x 1\r\nset a 0 4294967296 1\r\n1\r\nget a\r\n',
  ],
  [
    'flags',
    'set a 4294967295 0 1\r\n1\r\nget a\r\nset a 4294967296 0 1\r\n1\r\nget a\r\nset a -1 0 1\r\nset a +7 0 1\r\n1\r\nget a\r\nset a 0x1 0 1\r\n',
  ],
  [
    'noreply',
    'set a 0 0 1 noreply\r\n1\r\nadd a 0 0 1 noreply\r\n1\r\nget a\r\nset a 0 0 noreply\r\nset a 0 0 1 yesreply\r\n2\r\nget a\r\nflush_all noreply\r\nget a\r\nverbosity 1 noreply\r\nverbosity noreply\r\n',
  ],
  [
    'flush_all',
    'set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\nset a 0 0 1\r\n1\r\nflush_all -5\r\nget a\r\nflush_all x\r\nflush_all 0\r\nflush_all 0 noreply\r\nflush_all 1 2 3\r\n',
  ],
  [
    'version, verbosity, unknown commands',
    'version\r\nversion 1\r\nverbosity 1\r\nverbosity\r\nverbosity x\r\nverbosity 1 2 3\r\nnonsense\r\nGET a\r\nget\r\ngets\r\nx\r\n\r\n \r\n\n  version  \r\nshutdown\r\nmx\r\nmn a b\r\n',
  ],
  ['a line may end without CR', 'set a 0 0 1\n1\r\nget a\n'],
  ['a zero byte ends a line', 'set a 0 0 1\r\n1\r\nget a\0 b\r\n\0get a\r\nget a\r\n'],
  ['other white space is of a word', 'set a\tb 0 0 1\r\n1\r\nget a\tb\r\n'],
  ['quit', 'version\r\nquit\r\nversion\r\n'],
  ['a browser', 'POST / HTTP/1.1\r\nversion\r\n'],
  [
    'a browser that begins like a command',
    'delete / HTTP/1.1\r\nset / HTTP/1.1\r\nmx HTTP/1.1\r\nx HTTP/1.1\r\n',
    'something HTTP/1.1\r\nversion\r\n',
  ],
  [
    'too few and too many words',
    'set\r\nset a\r\nset a 0 0\r\nset a 0 0 1 2 3 4\r\ncas a 0 0 1\r\nincr a 1 2 3\r\ntouch a 1 2 3\r\n',
  ],
  [
    'a bad length',
    'set a 0 0 -1\r\nset a 0 0 x\r\nset a 0 0 2147483647\r\nset a 0 0 4294967297\r\n1\r\nget a\r\n',
  ],
  ['a block that is too long', 'set a 0 0 3\r\nabcdef\r\nget a\r\n'],
  ['a block that is too short', 'set a 0 0 5\r\nabc\r\nget a\r\nversion\r\n'],
  ['a block without its end', 'set a 0 0 5\r\nab'],
  ['a bad block with noreply', 'set a 0 0 3 noreply\r\nabcdef\r\nversion\r\n'],
  ['an empty value', 'set a 0 0 0\r\n\r\nget a\r\nmg a v s\r\n'],
  ['a value of line ends', 'set a 0 0 6\r\n\r\n\0\n\r\n\r\nget a\r\n'],
  [
    'long keys',
    `set ${longKey} 0 0 1\r\n1\r\nget ${longKey}\r\nset ${tooLongKey} 0 0 1\r\nincr ${tooLongKey} 1\r\ntouch ${tooLongKey} 1\r\ndelete ${tooLongKey}\r\n`,
  ],
  ['a get of a key that is too long', `get ${tooLongKey}\r\n`],
  ['a get whose third key is too long', 'set a 0 0 1\r\n1\r\n', `get a a ${tooLongKey}\r\n`],
  [
    'many keys',
    `set a 0 0 1\r\n1\r\nget ${'a b '.repeat(40)}\r\nget ${'b '.repeat(22)}\r\nget ${'b '.repeat(23)}a\r\n`,
  ],
  ['too large a value', `set b 0 0 1\r\n1\r\nappend b 0 0 2000000\r\n${large(2_000_000)}\r\nget b\r\n`],
  [
    'too large a set',
    `set a 0 0 1\r\n1\r\nset a 0 0 1100000\r\n${large(1_100_000)}\r\nget a\r\nset a 0 0 1100000 noreply\r\n${large(1_100_000)}\r\nversion\r\n`,
  ],
  ['too large a meta set', `ms a 1\r\n1\r\nms a 1100000 ME q O5\r\n${large(1_100_000)}\r\nmg a v\r\n`],
  ['a large value', `set a 0 0 700000\r\n${large(700_000)}\r\nget a\r\nmg a v\r\n`],
  [
    'stats',
    'stats nonsense\r\nstats detail\r\nstats detail x\r\nstats detail on\r\nset p:1 0 0 1\r\n1\r\nget p:1\r\ndelete p:1\r\nstats detail dump\r\nstats detail off\r\nstats reset\r\nstats sizes\r\n',
  ],
  [
    'mg',
    'mg a\r\nmg a v\r\nmg a q\r\nmg a k O1\r\nmg a v q k Oxyz\r\nset a 3 100 2\r\nhi\r\nmg a\r\nmg a v\r\nmg a s v t f c k l h O1\r\nmg a q\r\nmg a q v\r\nmg\r\nmg a b\r\nmg a v v\r\nmg a ?\r\nmg a \x7f\r\nmg a P L\r\n',
  ],
  [
    'mg: hit and last access',
    'set a 0 0 1\r\n1\r\nmg a h u v\r\nmg a h\r\nmg a h l\r\nme a\r\nset a 0 0 1\r\n1\r\nme a\r\nget a\r\nmg a h\r\n',
  ],
  [
    'mg: N, W and Z',
    'mg a N30 v t c\r\nmg a N30 v t\r\nmg a\r\nms a 2 T30\r\nhi\r\nmg a N30 v\r\nmg b N0 t v W\r\nmg b N0 t v\r\nmg c N-1 v t\r\nmg c v\r\nmg d Nx\r\n',
  ],
  [
    'mg: R',
    'ms a 1 T30\r\n1\r\nmg a R10 v\r\nmg a R60 v\r\nmg a R60 v\r\nmg a R60 h t\r\nms b 1\r\n1\r\nmg b R60\r\nmg b R\r\nmg b R-1\r\nmg c R60\r\n',
  ],
  [
    'mg: T',
    'mg a T30\r\nms a 1\r\n1\r\nmg a t T30\r\nmg a T60 t\r\nmg a T0 t\r\nmg a Tx\r\nmg a T\r\nmg a T-1 t\r\nmg a\r\n',
  ],
  [
    'mg: opaques',
    `mg a O${'o'.repeat(31)}\r\nmg a O${'o'.repeat(32)}\r\nms a 1 O${'o'.repeat(32)}\r\n1\r\nmd a O${'o'.repeat(32)}\r\nmg a O\r\n`,
  ],
  [
    'base64 keys',
    'ms Zm9v 1 b k\r\n1\r\nget foo\r\nmg foo k v\r\nmg Zm9v b k v\r\nmg Zm9v k\r\nmg YmFy b k\r\nmd YmFy b k\r\nma Zm9v b k v\r\nmd Zm9v b k\r\nms Zg== 1 b k\r\n2\r\nget f\r\nmg Zg b\r\nmg Z=== b k\r\nmg ==== b\r\nmg ! b\r\nms ! 1 b\r\n1\r\nme Zg== b\r\nme Zg b\r\nmg Zg==Zg== b k\r\nmg Z!g==xxxx b k\r\n',
  ],
  [
    'ms',
    'ms a 0 c T-1\r\n\r\nms\r\nms a\r\nms a x\r\nms a -1\r\nms a 2\r\nhi\r\nms a 2 c k O9\r\nhi\r\nms a 2 q\r\nho\r\nmg a v\r\nms a 2 F7 T100\r\nhe\r\nmg a v f t\r\nms a 2 Fx\r\nhe\r\nms a 2 Tx\r\nhe\r\nms a 2 I\r\nhe\r\nms a 2 q q\r\nhe\r\nms a 2 ?\r\nhe\r\nms a 2 S\r\nhe\r\n',
  ],
  [
    'ms: modes',
    'ms a 1 MA\r\n1\r\nms a 1 MP\r\n1\r\nms a 1 MR\r\n1\r\nms a 1 ME\r\n1\r\nms a 1 ME k c O1\r\n1\r\nms a 1 MA\r\n2\r\nms a 1 MP q\r\n0\r\nms a 1 MR F5\r\n3\r\nmg a v f\r\nms a 1 MS\r\n4\r\nms a 1 MX\r\n4\r\nms a 1 M\r\n4\r\nms a 1 MSS\r\n4\r\nversion\r\n',
  ],
  [
    'ms: cas',
    'ms a 1 C5 c\r\n1\r\nms a 1\r\n1\r\n',
    'ms a 1 C%a% c\r\n2\r\n',
    'ms a 1 C%a+1% c k O1\r\n3\r\nms a 1 C0\r\n3\r\nms a 1 Cx\r\n3\r\n',
    'ms a 1 C%a% MR\r\n4\r\n',
    'ms a 1 C%a+1% MA\r\n5\r\n',
    'ms a 1 C%a% MA q\r\n5\r\nmg a v\r\n',
    'ms a 1 C%a+1% ME\r\n6\r\n',
  ],
  ['ms: bad blocks', 'ms a 2\r\nhello\r\nms a 5 q\r\nhi\r\nversion\r\nversion\r\n'],
  [
    'ms: invalidation',
    'ms a 1 T100\r\n1\r\n',
    'ms a 1 C%a-1% I T500\r\n2\r\nmg a v c t\r\nmg a v c t\r\n',
    'ms a 1 C%a-1% I\r\n3\r\nmg a v\r\n',
    'ms a 1 C%a+1% I\r\n4\r\nmg a v\r\n',
    'ms a 1 C%a% I\r\n5\r\nmg a v\r\nms a 1 I\r\n6\r\nmg a v\r\n',
  ],
  [
    'md',
    'md\r\nmd a\r\nmd a q\r\nmd a k O1\r\nms a 1\r\n1\r\nmd a C1\r\nmd a q C1\r\n',
    'md a C%a% q\r\nmg a\r\nms a 1\r\n1\r\nmd a O1 k\r\nmd a v v\r\nmd a ?\r\nmd a Cx\r\n',
  ],
  [
    'md: stale',
    'ms a 1 T100\r\n1\r\nmd a I T30 k\r\nmg a v t c\r\nmg a v t\r\nmg a v k\r\nget a\r\nms a 1\r\n2\r\nmg a v\r\nmd a I q\r\n',
    'incr a 1\r\nmg a v\r\n',
    'incr a 1000\r\nmg a v\r\nmd a I\r\nappend a 0 0 1\r\n1\r\nmg a v\r\nmd a I\r\ntouch a 50\r\nmg a v\r\nmd a I\r\nmg a v\r\n',
  ],
  [
    'ma',
    'ma\r\nma a\r\nma a N0 J13 v\r\nma a v\r\nma a D5 v c t\r\nma a MD D100 v\r\nma a MI D2 v q\r\nma a v k O1\r\nma a M+ v\r\nma a M- v\r\nma a MZ\r\nma a M\r\nma a Dx\r\nma a Jx\r\nma a Nx\r\nma b q\r\nma b N30 q v t\r\nma b v t\r\nma b T60 t v\r\nma b t T0 v t\r\nset t 0 0 1\r\nx\r\nma t\r\nma t q O1\r\nma b C1 k\r\n',
    'ma b C%b% v c\r\n',
  ],
  ['me', 'me\r\nme a\r\nset a 5 0 3\r\nabc\r\nme a\r\nget a\r\nme a\r\nme a x\r\n'],
  [
    'too many flags',
    `mg a ${'v '.repeat(18)}\r\nmg a ${'v '.repeat(30)}\r\nms a 1 ${'q '.repeat(18)}\r\nmd a ${'q '.repeat(18)}\r\nma a ${'q '.repeat(18)}\r\n`,
  ],
  [
    'long keys of meta commands',
    `mg ${longKey} k\r\nmg ${tooLongKey}\r\nms ${tooLongKey} 1\r\nmd ${tooLongKey}\r\nma ${tooLongKey}\r\nme ${tooLongKey}\r\n`,
  ],
  [
    'claims as getOrLoad makes them, and gives them back',
    'mg a v f c N30\r\nmg a v f c N30\r\nmg a v f\r\n',
    'ms a 3 c F7 T1000 C%a%\r\nnew\r\nmg a v f c N30 R60\r\n',
    'mg a v f c N30 R2000\r\nmg a v f c N30 R2000\r\n',
    'md a I C%a%\r\nmg a v f c N30 R2000\r\nmg a v f c N30 R2000\r\nmg a v f c t l h u\r\n',
    'ms a 2 c T1000 C%a-1%\r\nno\r\nms a 3 c T1000 C%a%\r\nyes\r\nmg a v f c N30\r\n',
    'md a C%a%\r\nmg a v f c N30\r\nms a 2 c T1000 C%a+1%\r\nno\r\n',
    'md a C%a%\r\nmg a v\r\nms a 2 c T1000 C1\r\nno\r\n',
    'mg a v f c N30\r\nmd a I T20 C%a%\r\nmg a v f c N30 t\r\n',
  ],
  ['mn', 'set a 0 0 1 noreply\r\n1\r\nmg b q\r\nmg a v q\r\nmg b q v\r\nmn\r\n'],
];
