//! Whose code it is.

use super::counts::Place;

/// The library that the code is from. Of hitbox itself, the module.
///
/// What is inlined from the standard library belongs to whoever uses it there.
pub(super) fn of(place: &Place) -> String {
    let Place {
        object,
        function,
        function_file,
        file,
    } = place;
    [file, function_file]
        .into_iter()
        .find_map(|file| by_file(file))
        .or_else(|| of_c_library(object, function))
        .unwrap_or_else(|| String::from("standard library"))
}

fn by_file(file: &str) -> Option<String> {
    if let Some((_, path)) = file.split_once("/registry/src/") {
        let package = path.split('/').nth(1)?;
        let name = package
            .rsplit_once('-')
            .map_or(package, |(name, _version)| name);
        return Some(name.to_owned());
    }
    let (package, module) = file.rsplit_once("/src/")?;
    let package = package.rsplit('/').next()?;
    if package == "hitbox-benches" || package == "benches" {
        return Some(String::from("this benchmark"));
    }
    package
        .starts_with("hitbox-")
        .then(|| format!("{package}: {}", of_module(module)))
}

/// The folders of a module, and the module itself if it is in none.
fn of_module(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((folders, _file)) => folders,
        None => path.trim_end_matches(".rs"),
    }
}

fn of_c_library(object: &str, function: &str) -> Option<String> {
    let is_of_c = ["/libc", "/libpthread", "/libm", "/ld-", "vdso"];
    let inlined = function.contains("mem") && !function.contains("::");
    if !inlined && !is_of_c.iter().any(|name| object.contains(name)) {
        return None;
    }
    let is_one_of = |names: &[&str]| names.iter().any(|name| function.contains(name));
    let what = if is_one_of(&["alloc", "free", "_int_", "memalign", "tcache"]) {
        "allocating"
    } else if is_one_of(&["memcpy", "memmove", "memset", "memcmp", "bcmp"]) {
        "copying and comparing"
    } else if is_one_of(&["clock", "time"]) {
        "clock"
    } else {
        "other"
    };
    Some(format!("C library: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function_file: &str, file: &str) -> Place {
        Place {
            object: String::from("/target/hit"),
            function: String::from("f"),
            function_file: function_file.to_owned(),
            file: file.to_owned(),
        }
    }

    #[test]
    fn code_belongs_to_the_library_it_is_from() {
        let std = "/rustc/abc/library/core/src/option.rs";
        let moka = "/c/registry/src/index-1/moka-0.12.16/src/future/cache.rs";
        let ours = "/w/hitbox-backend/src/composition/fences/shard.rs";
        assert_eq!(of(&place(ours, moka)), "moka");
        assert_eq!(of(&place(moka, std)), "moka");
        assert_eq!(of(&place(moka, ours)), "hitbox-backend: composition/fences");
        assert_eq!(of(&place(std, std)), "standard library");
        let alone = "/w/hitbox-moka/src/store.rs";
        assert_eq!(of(&place(alone, alone)), "hitbox-moka: store");
    }

    #[test]
    fn the_c_library_is_told_apart_by_what_it_does() {
        let of_c = |function: &str| {
            of(&Place {
                object: String::from("/usr/lib/x86_64-linux-gnu/libc.so.6"),
                function: function.to_owned(),
                ..place("???", "./malloc/malloc.c")
            })
        };
        assert_eq!(of_c("_int_free"), "C library: allocating");
        assert_eq!(
            of_c("__memcpy_avx_unaligned_erms"),
            "C library: copying and comparing"
        );
        assert_eq!(of_c("clock_gettime@@GLIBC_2.17"), "C library: clock");
        assert_eq!(of_c("epoll_wait"), "C library: other");
    }
}
