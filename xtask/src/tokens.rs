//! The words of Rust code, without its comments.

use std::{iter::Peekable, str::Chars};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    /// Of a literal, where it ends.
    pub(crate) last_line: usize,
    pub(crate) word: Word,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Name(String),
    /// `::`.
    Within,
    /// Any other character, and `0` for a literal.
    Sign(char),
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    line: usize,
}

/// All that is not a comment, white space or a lifetime.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(first) = reader.next() {
        let line = reader.line;
        if let Some(word) = reader.word(first) {
            let last_line = reader.line;
            tokens.push(Token {
                line,
                last_line,
                word,
            });
        }
    }
    tokens
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let wanted = self.rest.peek().is_some_and(|next| wanted(*next));
        if wanted { self.next() } else { None }
    }

    fn follows(&mut self, sign: char) -> bool {
        self.next_if(|next| next == sign).is_some()
    }

    fn word(&mut self, first: char) -> Option<Word> {
        match first {
            _ if first.is_whitespace() => None,
            '/' if self.follows('/') => {
                while self.next_if(|next| next != '\n').is_some() {}
                None
            }
            '/' if self.follows('*') => {
                self.skip_comment();
                None
            }
            ':' if self.follows(':') => Some(Word::Within),
            '"' => Some(self.skip_string()),
            '\'' => self.skip_character(),
            _ if first.is_ascii_digit() => {
                while self.next_if(is_of_name).is_some() {}
                Some(Word::Sign('0'))
            }
            _ if is_of_name(first) => Some(self.name(first)),
            _ => Some(Word::Sign(first)),
        }
    }

    /// A name, or a literal that begins like one: `b"..."`, `r#"..."#`.
    fn name(&mut self, first: char) -> Word {
        let mut name = String::from(first);
        while let Some(next) = self.next_if(is_of_name) {
            name.push(next);
        }
        match (name.as_str(), self.rest.peek()) {
            ("b" | "c", Some('"')) => {
                self.next();
                self.skip_string()
            }
            ("b", Some('\'')) => {
                self.next();
                self.skip_character().unwrap_or(Word::Sign('0'))
            }
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw(),
            _ => Word::Name(name),
        }
    }

    /// What follows the `r` of a raw literal or of a raw name.
    fn raw(&mut self) -> Word {
        let mut hashes = 0;
        while self.follows('#') {
            hashes += 1;
        }
        if !self.follows('"') {
            let first = self.next().unwrap_or('_');
            return self.name(first);
        }
        while let Some(next) = self.next() {
            if next == '"' && (0..hashes).all(|_| self.follows('#')) {
                break;
            }
        }
        Word::Sign('0')
    }

    fn skip_string(&mut self) -> Word {
        while let Some(next) = self.next() {
            match next {
                '"' => break,
                '\\' => drop(self.next()),
                _ => {}
            }
        }
        Word::Sign('0')
    }

    /// A character, or a lifetime, which is no word.
    fn skip_character(&mut self) -> Option<Word> {
        let first = self.next()?;
        if first == '\\' {
            self.next();
            while self.next_if(|next| next != '\'').is_some() {}
        } else if is_of_name(first) && self.rest.peek() != Some(&'\'') {
            while self.next_if(is_of_name).is_some() {}
            return None;
        }
        self.follows('\'');
        Some(Word::Sign('0'))
    }

    fn skip_comment(&mut self) {
        let mut depth = 1;
        while let Some(next) = self.next() {
            match next {
                '*' if self.follows('/') => depth -= 1,
                '/' if self.follows('*') => depth += 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_literals_and_comments_is_no_name() {
        let text = "a // b\n /* c /* d */ e */ \"f \\\" g\" b\"h\" r#\"i \" j\"# 'k' '\\'' b'l' '\\u{6d}' &'n o::r#p";
        let tokens = tokens(text);
        let names = tokens.iter().filter_map(|token| match &token.word {
            Word::Name(name) => Some((name.as_str(), token.line)),
            Word::Within | Word::Sign(_) => None,
        });
        assert_eq!(names.collect::<Vec<_>>(), [("a", 1), ("o", 2), ("p", 2)]);
    }

    #[test]
    fn a_literal_knows_its_lines() {
        let tokens = tokens("a\n(\"b\nc\") d");
        let lines = tokens.iter().map(|token| (token.line, token.last_line));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [(1, 1), (2, 2), (2, 3), (3, 3), (3, 3)]
        );
    }
}
