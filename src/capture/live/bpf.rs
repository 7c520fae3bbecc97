//! Classic BPF: an assembler for the one program that is needed, and in tests a machine to run it.
//!
//! Loads from the packet are all relative to X, so that one program serves frames that begin at different headers.

/// One instruction as the kernel takes it (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) k: u32,
}

/// A place in the program that jumps go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where an instruction jumps to if its condition holds, and else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jump {
    None,
    Always(Label),
    If(Label),
    Unless(Label),
}

/// Puts a program together. All jumps go forward, as the kernel asks.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<(u16, u32, Jump)>,
    labels: Vec<usize>,
}

// Instruction classes, sizes, modes and operations of linux/bpf_common.h.
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;
const WORD: u16 = 0x00;
const HALF: u16 = 0x08;
const BYTE: u16 = 0x10;
const IMMEDIATE: u16 = 0x00;
const ABSOLUTE: u16 = 0x20;
const INDIRECT: u16 = 0x40;
const MEMORY: u16 = 0x60;
const ADD: u16 = 0x00;
const MUL: u16 = 0x20;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const XOR: u16 = 0xa0;
const JA: u16 = 0x00;
const JEQ: u16 = 0x10;
const JSET: u16 = 0x40;
const BY_X: u16 = 0x08;
const A: u16 = 0x10;
const TAX: u16 = 0x00;
/// `SKF_AD_OFF` of linux/filter.h: what the kernel knows besides the packet.
const BESIDE: u32 = -0x1000_i32 as u32;
const BESIDE_PROTOCOL: u32 = BESIDE;
const BESIDE_PACKET_KIND: u32 = BESIDE + 4;

impl Assembler {
    /// New labels, to be placed later.
    pub(super) fn labels<const N: usize>(&mut self) -> [Label; N] {
        let first = self.labels.len();
        self.labels.resize(first + N, usize::MAX);
        std::array::from_fn(|index| Label(first + index))
    }

    /// The next instruction is where `label` is.
    pub(super) fn place(&mut self, label: Label) {
        let here = self.code.len();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = here;
        }
    }

    pub(super) fn load_packet_kind(&mut self) {
        self.push(LD | WORD | ABSOLUTE, BESIDE_PACKET_KIND);
    }

    pub(super) fn load_protocol(&mut self) {
        self.push(LD | WORD | ABSOLUTE, BESIDE_PROTOCOL);
    }

    /// One byte at X + `offset`.
    pub(super) fn load_byte(&mut self, offset: u32) {
        self.push(LD | BYTE | INDIRECT, offset);
    }

    /// Two bytes at X + `offset`.
    pub(super) fn load_half(&mut self, offset: u32) {
        self.push(LD | HALF | INDIRECT, offset);
    }

    /// Four bytes at X + `offset`.
    pub(super) fn load_word(&mut self, offset: u32) {
        self.push(LD | WORD | INDIRECT, offset);
    }

    pub(super) fn load_immediate(&mut self, value: u32) {
        self.push(LD | IMMEDIATE, value);
    }

    pub(super) fn load_memory(&mut self, slot: u32) {
        self.push(LD | MEMORY, slot);
    }

    pub(super) fn load_x(&mut self, slot: u32) {
        self.push(LDX | MEMORY, slot);
    }

    pub(super) fn set_x(&mut self, value: u32) {
        self.push(LDX | IMMEDIATE, value);
    }

    pub(super) fn accumulator_to_x(&mut self) {
        self.push(MISC | TAX, 0);
    }

    pub(super) fn store(&mut self, slot: u32) {
        self.push(ST, slot);
    }

    pub(super) fn store_x(&mut self, slot: u32) {
        self.push(STX, slot);
    }

    /// Uses X.
    pub(super) fn add_memory(&mut self, slot: u32) {
        self.load_x(slot);
        self.push(ALU | ADD | BY_X, 0);
    }

    /// Uses X.
    pub(super) fn xor_memory(&mut self, slot: u32) {
        self.load_x(slot);
        self.push(ALU | XOR | BY_X, 0);
    }

    pub(super) fn and(&mut self, value: u32) {
        self.push(ALU | AND, value);
    }

    pub(super) fn multiply(&mut self, value: u32) {
        self.push(ALU | MUL, value);
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        self.push(ALU | LSH, bits);
    }

    pub(super) fn shift_right(&mut self, bits: u32) {
        self.push(ALU | RSH, bits);
    }

    pub(super) fn jump(&mut self, target: Label) {
        self.code.push((JMP | JA, 0, Jump::Always(target)));
    }

    pub(super) fn jump_if_equal(&mut self, value: u32, target: Label) {
        self.code.push((JMP | JEQ, value, Jump::If(target)));
    }

    pub(super) fn jump_unless_equal(&mut self, value: u32, target: Label) {
        self.code.push((JMP | JEQ, value, Jump::Unless(target)));
    }

    /// Jumps if any of the bits is set.
    pub(super) fn jump_if_any(&mut self, bits: u32, target: Label) {
        self.code.push((JMP | JSET, bits, Jump::If(target)));
    }

    /// Ends with this answer.
    pub(super) fn give(&mut self, value: u32) {
        self.push(RET, value);
    }

    /// Ends with the accumulator as the answer.
    pub(super) fn give_accumulator(&mut self) {
        self.push(RET | A, 0);
    }

    /// The program. A label that was not placed, or one that is out of reach, gives a jump that the kernel's check
    /// refuses; the test of the program runs every one.
    pub(super) fn assemble(self) -> Vec<Instruction> {
        let distance = |label: Label, from: usize| {
            let place = self.labels.get(label.0).copied().unwrap_or(usize::MAX);
            place.saturating_sub(from + 1)
        };
        let near = |label, from| u8::try_from(distance(label, from)).unwrap_or(u8::MAX);
        let far = |label, from| u32::try_from(distance(label, from)).unwrap_or(u32::MAX);
        let assembled = self.code.iter().enumerate().map(|(at, (code, k, jump))| match *jump {
            Jump::None => Instruction { code: *code, jump_true: 0, jump_false: 0, k: *k },
            Jump::Always(label) => {
                Instruction { code: *code, jump_true: 0, jump_false: 0, k: far(label, at) }
            }
            Jump::If(label) => Instruction { code: *code, jump_true: near(label, at), jump_false: 0, k: *k },
            Jump::Unless(label) => {
                Instruction { code: *code, jump_true: 0, jump_false: near(label, at), k: *k }
            }
        });
        assembled.collect()
    }

    fn push(&mut self, code: u16, k: u32) {
        self.code.push((code, k, Jump::None));
    }
}

/// A machine that runs programs as the kernel does, on a frame as the kernel has it.
#[cfg(test)]
pub(super) mod machine {
    use super::*;

    /// What the kernel hands to a program.
    pub(in crate::capture::live) struct Packet<'a> {
        /// `skb->data`.
        pub(in crate::capture::live) data: &'a [u8],
        /// Where in `data` the network header is.
        pub(in crate::capture::live) network: usize,
        pub(in crate::capture::live) protocol: u32,
        pub(in crate::capture::live) kind: u32,
    }

    /// Runs a program to its answer.
    pub(in crate::capture::live) fn run(program: &[Instruction], packet: &Packet<'_>) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, [None; 16], 0);
        loop {
            let Instruction { code, jump_true, jump_false, k } = program[at];
            at += 1;
            let operand = if code & BY_X == 0 { k } else { x };
            match code & 7 {
                LD if code & 0xe0 == MEMORY => a = memory[k as usize].expect("written before it is read"),
                LD if code & 0xe0 == IMMEDIATE => a = k,
                LD => {
                    let offset = if code & 0xe0 == INDIRECT { k.wrapping_add(x) } else { k };
                    match packet.load(offset, [4, 2, 1][(code >> 3 & 3) as usize]) {
                        Some(value) => a = value,
                        None => return 0,
                    }
                }
                LDX if code & 0xe0 == MEMORY => x = memory[k as usize].expect("written before it is read"),
                LDX => x = k,
                ST => memory[k as usize] = Some(a),
                STX => memory[k as usize] = Some(x),
                ALU => a = alu(code & 0xf0, a, operand),
                JMP if code & 0xf0 == JA => at += k as usize,
                JMP => {
                    let holds = if code & 0xf0 == JEQ { a == k } else { a & k != 0 };
                    at += usize::from(if holds { jump_true } else { jump_false });
                }
                RET => return if code & A == 0 { k } else { a },
                _ => x = a,
            }
        }
    }

    fn alu(operation: u16, a: u32, operand: u32) -> u32 {
        match operation {
            ADD => a.wrapping_add(operand),
            MUL => a.wrapping_mul(operand),
            AND => a & operand,
            LSH => a << operand,
            RSH => a >> operand,
            XOR => a ^ operand,
            other => panic!("operation {other:#x}"),
        }
    }

    impl Packet<'_> {
        fn load(&self, offset: u32, len: usize) -> Option<u32> {
            let start = match offset as i32 {
                negative if offset == BESIDE_PROTOCOL => return Some(self.protocol).filter(|_| negative < 0),
                negative if offset == BESIDE_PACKET_KIND => return Some(self.kind).filter(|_| negative < 0),
                negative if negative < 0 => self.network + usize::try_from(negative + 0x0010_0000).ok()?,
                positive => positive as usize,
            };
            let bytes = self.data.get(start..start + len)?;
            Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
        }
    }
}
