//! Random types.

use fastrand::Rng;

/// What derives make of a type. Names of types are there for what is looked at beside the shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Schema {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    Unit,
    UnitStruct(&'static str),
    Newtype(&'static str, Box<Schema>),
    Option(Box<Schema>),
    Seq(Box<Schema>),
    Map(Box<Schema>, Box<Schema>),
    Tuple(Vec<Schema>),
    TupleStruct(&'static str, Vec<Schema>),
    Struct(Fields),
    Enum {
        name: &'static str,
        variants: &'static [&'static str],
        parts: Vec<Variant>,
    },
    /// The struct or enum that it is in, so many levels out among those.
    Again(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    pub(super) name: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) parts: Vec<Schema>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Variant {
    Unit,
    Newtype(Schema),
    Tuple(Vec<Schema>),
    Struct(Fields),
}

const DEEPEST: usize = 5;

/// As many options, sequences, maps and tuples as there are types for (see `value`).
pub(super) const MOST_NAMELESS: usize = 16;

impl Schema {
    /// Whether it has parts and no name.
    pub(super) fn is_nameless(&self) -> bool {
        matches!(
            self,
            Self::Option(_) | Self::Seq(_) | Self::Map(..) | Self::Tuple(_)
        )
    }
}

const NAMES: [&str; 12] = [
    "id", "name", "kind", "size", "left", "right", "x", "y", "amount", "at", "owner", "note",
];

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A list of its own, as each type has one.
fn names(of: &[&'static str]) -> &'static [&'static str] {
    leaked(of.to_vec())
}

fn type_name(random: &mut Rng) -> &'static str {
    leaked(format!("Type{}", random.u64(..)))
}

fn some_names(number: usize, random: &mut Rng) -> &'static [&'static str] {
    let mut all = NAMES;
    random.shuffle(&mut all);
    names(&all[..number])
}

pub(super) fn random(random: &mut Rng) -> &'static Schema {
    loop {
        let mut schema = schema(0, &mut vec![], random);
        let mut nameless = 0;
        each(&mut schema, &mut |part| {
            nameless += usize::from(part.is_nameless());
        });
        // A change (see `varied`) may add one.
        if nameless < MOST_NAMELESS {
            return leaked(schema);
        }
    }
}

/// `around` says of each struct and enum that this is in whether it is within an option or a sequence
/// in there, and so may come again.
fn schema(depth: usize, around: &mut Vec<bool>, random: &mut Rng) -> Schema {
    if depth < DEEPEST && (depth == 0 || random.u8(0..5) < 2) {
        return compound(depth, around, random);
    }
    if random.u8(0..6) == 0 {
        let again: Vec<usize> = (0..around.len()).filter(|at| around[*at]).collect();
        if let Some(at) = random.choice(again) {
            return Schema::Again(around.len() - 1 - at);
        }
    }
    match random.u8(0..18) {
        0 => Schema::Bool,
        1 => Schema::I8,
        2 => Schema::I16,
        3 => Schema::I32,
        4 => Schema::I64,
        5 => Schema::I128,
        6 => Schema::U8,
        7 => Schema::U16,
        8 => Schema::U32,
        9 => Schema::U64,
        10 => Schema::U128,
        11 => Schema::F32,
        12 => Schema::F64,
        13 => Schema::Char,
        14 => Schema::Str,
        15 => Schema::Bytes,
        16 => Schema::Unit,
        _ => Schema::UnitStruct(type_name(random)),
    }
}

fn within(depth: usize, around: &mut [bool], random: &mut Rng) -> Box<Schema> {
    let mut around: Vec<bool> = around.iter().map(|_| true).collect();
    Box::new(schema(depth + 1, &mut around, random))
}

fn several(number: usize, depth: usize, around: &mut Vec<bool>, random: &mut Rng) -> Vec<Schema> {
    (0..number)
        .map(|_| schema(depth + 1, around, random))
        .collect()
}

fn fields(depth: usize, around: &mut Vec<bool>, random: &mut Rng) -> Fields {
    let number = random.usize(0..5);
    Fields {
        name: type_name(random),
        names: some_names(number, random),
        parts: several(number, depth, around, random),
    }
}

fn compound(depth: usize, around: &mut Vec<bool>, random: &mut Rng) -> Schema {
    match random.u8(0..12) {
        0 => Schema::Newtype(
            type_name(random),
            Box::new(schema(depth + 1, around, random)),
        ),
        1 => Schema::Option(within(depth, around, random)),
        2 => Schema::Seq(within(depth, around, random)),
        3 => {
            let key = Box::new(schema(DEEPEST, &mut vec![], random));
            Schema::Map(key, within(depth, around, random))
        }
        4 => Schema::Tuple(several(random.usize(1..4), depth, around, random)),
        5 => Schema::TupleStruct(
            type_name(random),
            several(random.usize(2..4), depth, around, random),
        ),
        6..9 => {
            around.push(false);
            let fields = fields(depth, around, random);
            around.pop();
            Schema::Struct(fields)
        }
        _ => {
            around.push(false);
            let number = random.usize(1..5);
            let parts = (0..number)
                .map(|_| variant(depth, around, random))
                .collect();
            around.pop();
            Schema::Enum {
                name: type_name(random),
                variants: some_names(number, random),
                parts,
            }
        }
    }
}

fn variant(depth: usize, around: &mut Vec<bool>, random: &mut Rng) -> Variant {
    match random.u8(0..4) {
        0 => Variant::Unit,
        1 => Variant::Newtype(schema(depth + 1, around, random)),
        2 => Variant::Tuple(several(random.usize(2..4), depth, around, random)),
        _ => Variant::Struct(fields(depth, around, random)),
    }
}

/// The same with other names of types, and lists of its own.
pub(super) fn alike(schema: &Schema) -> &'static Schema {
    let mut copy = schema.clone();
    each(&mut copy, &mut |part| match part {
        Schema::UnitStruct(name) | Schema::Newtype(name, _) | Schema::TupleStruct(name, _) => {
            *name = leaked(format!("Other{name}"));
        }
        Schema::Struct(fields) => rename(fields),
        Schema::Enum {
            name,
            variants,
            parts,
        } => {
            *name = leaked(format!("Other{name}"));
            *variants = names(variants);
            for part in parts {
                if let Variant::Struct(fields) = part {
                    rename(fields);
                }
            }
        }
        _ => {}
    });
    leaked(copy)
}

fn rename(fields: &mut Fields) {
    fields.name = leaked(format!("Other{}", fields.name));
    fields.names = names(fields.names);
}

fn each(schema: &mut Schema, visit: &mut impl FnMut(&mut Schema)) {
    visit(schema);
    match schema {
        Schema::Newtype(_, part) | Schema::Option(part) | Schema::Seq(part) => each(part, visit),
        Schema::Map(key, value) => {
            each(key, visit);
            each(value, visit);
        }
        Schema::Tuple(parts) | Schema::TupleStruct(_, parts) => {
            parts.iter_mut().for_each(|part| each(part, visit));
        }
        Schema::Struct(fields) => fields.parts.iter_mut().for_each(|part| each(part, visit)),
        Schema::Enum { parts, .. } => {
            for part in parts {
                match part {
                    Variant::Unit => {}
                    Variant::Newtype(part) => each(part, visit),
                    Variant::Tuple(parts) => parts.iter_mut().for_each(|part| each(part, visit)),
                    Variant::Struct(fields) => {
                        fields.parts.iter_mut().for_each(|part| each(part, visit));
                    }
                }
            }
        }
        _ => {}
    }
}

/// The same but for one thing, somewhere in it.
pub(super) fn varied(schema: &Schema, random: &mut Rng) -> &'static Schema {
    let mut copy = alike(schema).clone();
    for _ in 0..40 {
        let mut number = 0;
        each(&mut copy, &mut |_| number += 1);
        let chosen = random.usize(0..number);
        let mut at = 0;
        each(&mut copy, &mut |part| {
            if at == chosen {
                vary(part, random);
            }
            at += 1;
        });
        if copy != *alike(schema) {
            break;
        }
    }
    leaked(copy)
}

/// Changes that a next version of a type may bring, or another type with the same names.
fn vary(schema: &mut Schema, random: &mut Rng) {
    match schema {
        Schema::Struct(fields) => vary_fields(fields, random),
        Schema::Enum {
            variants, parts, ..
        } => match random.u8(0..4) {
            0 => *variants = turned(variants, random),
            1 => turn(parts, random),
            2 => {
                let part = random.usize(0..parts.len());
                parts[part] = Variant::Newtype(Schema::U8);
            }
            _ => {
                let part = random.usize(0..parts.len());
                if let Variant::Struct(fields) = &mut parts[part] {
                    vary_fields(fields, random);
                }
            }
        },
        Schema::Tuple(parts) | Schema::TupleStruct(_, parts) => turn(parts, random),
        Schema::Option(part) => *schema = Schema::Seq(part.clone()),
        Schema::Newtype(..) | Schema::Seq(_) | Schema::Map(..) | Schema::Again(_) => {}
        leaf => {
            *leaf = match (leaf.clone(), random.bool()) {
                (Schema::I8, _) => Schema::U8,
                (Schema::U8, _) => Schema::Bool,
                (Schema::I16, _) => Schema::U16,
                (Schema::I32, _) => Schema::U32,
                (Schema::I64, true) => Schema::U64,
                (Schema::I64, false) => Schema::U32,
                (Schema::I128, _) => Schema::U128,
                (Schema::U16, _) => Schema::I16,
                (Schema::U32, true) => Schema::I32,
                (Schema::U32, false) => Schema::F32,
                (Schema::U64, _) => Schema::I64,
                (Schema::U128, _) => Schema::I128,
                (Schema::F32, _) => Schema::F64,
                (Schema::F64, _) => Schema::U64,
                (Schema::Bool, _) => Schema::U8,
                (Schema::Char, _) => Schema::U8,
                (Schema::Str, _) => Schema::Bytes,
                (Schema::Bytes, _) => Schema::Seq(Box::new(Schema::U8)),
                (Schema::Unit, _) => Schema::U8,
                (other, _) => other,
            }
        }
    }
}

fn vary_fields(fields: &mut Fields, random: &mut Rng) {
    match random.u8(0..3) {
        // Two fields change their names: what was one is the other.
        0 => fields.names = turned(fields.names, random),
        1 => turn(&mut fields.parts, random),
        _ => {
            if let Some(at) = random.choice(0..fields.names.len()) {
                let mut other = fields.names.to_vec();
                other[at] = "renamed";
                fields.names = names(&other);
            }
        }
    }
}

fn turned(of: &'static [&'static str], random: &mut Rng) -> &'static [&'static str] {
    let mut other = of.to_vec();
    turn(&mut other, random);
    names(&other)
}

fn turn<T>(parts: &mut [T], random: &mut Rng) {
    if parts.len() > 1 {
        let at = random.usize(0..parts.len() - 1);
        parts.swap(at, at + 1);
    }
}
