//! What a type can ask a deserializer for.

/// The kinds, with the numbers that stand for them in a fingerprint. Never renumber: what is stored
/// would be of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::format) enum Tag {
    Any = 1,
    Bool = 2,
    I8 = 3,
    I16 = 4,
    I32 = 5,
    I64 = 6,
    I128 = 7,
    U8 = 8,
    U16 = 9,
    U32 = 10,
    U64 = 11,
    U128 = 12,
    F32 = 13,
    F64 = 14,
    Char = 15,
    Str = 16,
    Bytes = 17,
    Unit = 18,
    Option = 19,
    Seq = 20,
    Tuple = 21,
    Map = 22,
    Struct = 23,
    Enum = 24,
    Identifier = 25,
    UnitVariant = 26,
    NewtypeVariant = 27,
    TupleVariant = 28,
    StructVariant = 29,
    /// Reads as what it holds, and so has no part in fingerprints.
    Newtype = 30,
    /// Where the type is asked for, which no request stands for.
    Root = 31,
}

impl Tag {
    /// Whether it has parts: values that it holds.
    pub(super) fn has_parts(self) -> bool {
        match self {
            Self::Option
            | Self::Seq
            | Self::Tuple
            | Self::Map
            | Self::Struct
            | Self::Enum
            | Self::UnitVariant
            | Self::NewtypeVariant
            | Self::TupleVariant
            | Self::StructVariant
            | Self::Newtype
            | Self::Root => true,
            Self::Any
            | Self::Bool
            | Self::I8
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::I128
            | Self::U8
            | Self::U16
            | Self::U32
            | Self::U64
            | Self::U128
            | Self::F32
            | Self::F64
            | Self::Char
            | Self::Str
            | Self::Bytes
            | Self::Unit
            | Self::Identifier => false,
        }
    }

    /// Whether a format that has neither names nor kinds cannot answer it.
    pub(in crate::format) fn looks_at_what_is_there(self) -> bool {
        matches!(self, Self::Any | Self::Identifier)
    }

    /// Whether its parts have names.
    pub(super) fn has_field_names(self) -> bool {
        matches!(self, Self::Struct | Self::StructVariant)
    }

    pub(super) fn is_variant(self) -> bool {
        matches!(
            self,
            Self::UnitVariant | Self::NewtypeVariant | Self::TupleVariant | Self::StructVariant
        )
    }

    /// Whether its parts can only be had one after the other.
    pub(super) fn is_only_in_order(self) -> bool {
        matches!(self, Self::Tuple | Self::TupleVariant | Self::Map)
    }
}
