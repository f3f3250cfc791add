import ArgumentParser
import Configuration
import Foundation
import Objectives
import Runs

/// Completion of `key=value` arguments by the shell: the keys of the objective of the configuration file, and after the
/// `=` the words of an enumeration, the names of files, or the default.
struct SettingCompletion {
    /// Completes the arguments of a command.
    ///
    /// - Parameter used: the keys that have an effect; without them, all.
    static func kind(_ used: CheckpointKeys...) -> CompletionKind {
        .custom { words, index, prefix in
            let line = ShellWords(words, index: index, prefix: prefix)
            let found = SettingCompletion(line.words, used).candidates(for: line.current)
            return found.map { String($0.dropFirst(line.replacedAfter)) }
        }
    }

    /// The configuration file among the words; nil if there is none that can be read.
    private let configuration: Configuration?
    private let objectives: [ObjectiveOptions.Name]
    private let used: [CheckpointKeys]

    /// - Parameter words: the command line without the word that is completed.
    init(_ words: [String], _ used: [CheckpointKeys]) {
        self.used = used
        let file = words.dropFirst().first { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
        var configuration = file.flatMap { try? Configuration(contentsOf: $0) }
        for word in words where word.hasPrefix("objective=") { try? configuration?.override(word) }
        self.configuration = configuration
        let stated = words.last { $0.hasPrefix("objective=") }.map { String($0.dropFirst("objective=".count)) }
        let name = stated ?? configuration?.value(of: "objective")
        let isDownstream = words.dropFirst().first == "finetune"
        if let name, let objective = ObjectiveOptions.Name(rawValue: name) {
            objectives = [objective]
        } else if configuration != nil, name == nil {
            objectives = [.default]
        } else {
            objectives = ObjectiveOptions.Name.allCases.filter { $0.isDownstream || !isDownstream }
        }
    }

    /// The words that may stand in place of a word that has begun.
    func candidates(for word: String) -> [String] {
        if word.hasPrefix("~") { return removals.filter { $0.hasPrefix(word) } }
        let begin = word.prefix { $0 == "+" }
        let rest = word.dropFirst(begin.count)
        guard let equals = rest.firstIndex(of: "=") else {
            return keys.map { "\(begin)\($0.path)=" }.filter { $0.hasPrefix(word) }
        }
        let (key, value) = (String(rest[..<equals]), String(rest[rest.index(after: equals)...]))
        return values(of: key, begun: value).map { "\(begin)\(key)=\($0)" }
    }

    private var keys: [ConfigurationKey] {
        var seen: Set<String> = []
        return objectives.flatMap { (try? KeyExplorer($0).keys) ?? [] }.map(\.key)
            .filter { key in (!key.isSection || key.isNull) && isUsed(key.path) }
            .filter { seen.insert($0.path).inserted }
            .sorted { $0.path < $1.path }
    }

    private func isUsed(_ path: String) -> Bool { used.isEmpty || used.contains { $0.contains(path) } }

    /// `~key` for each key and section of the file.
    private var removals: [String] {
        let settings = configuration?.settings.map(\.key) ?? []
        let sections = settings.flatMap { key in
            key.indices.filter { key[$0] == "." }.map { String(key[..<$0]) }
        }
        return Set(settings + sections).sorted().map { "~\($0)" }
    }

    private func values(of path: String, begun: String) -> [String] {
        let found = keys.filter { $0.path == path }
        if found.contains(where: { $0.traits.contains(.path) }) {
            // Files of a list begin after its bracket or a comma; the bracket is closed after a file.
            let start = begun.lastIndex { $0 == "[" || $0 == "," }.map { begun.index(after: $0) } ?? begun.startIndex
            let isList = begun.hasPrefix("[")
            return files(begun[start...]).map { begun[..<start] + $0 + (isList && !$0.hasSuffix("/") ? "]" : "") }
        }
        let words = found.flatMap { key -> [String] in
            if key.isSection { return ["{}", "null"] }
            if key.expected == "true or false" { return ["true", "false"] }
            // Lists and templates would need quotes in a shell.
            let isPlain =
                !key.valueText.isEmpty && key.valueText.allSatisfy { $0.isLetter || $0.isNumber || "._-".contains($0) }
            return key.choices + (isPlain ? [key.valueText] : [])
        }
        var seen: Set<String> = []
        return words.filter { $0.hasPrefix(begun) && seen.insert($0).inserted }
    }

    /// Files and folders whose paths begin like this, folders with a slash.
    private func files(_ begun: Substring) -> [String] {
        let slash = begun.lastIndex(of: "/").map { begun.index(after: $0) } ?? begun.startIndex
        let (folder, name) = (String(begun[..<slash]), begun[slash...])
        let manager = FileManager.default
        let entries = (try? manager.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? []
        return entries.sorted().filter { $0.hasPrefix(name) && (!$0.hasPrefix(".") || name.hasPrefix(".")) }.map {
            entry in
            var isFolder: ObjCBool = false
            _ = manager.fileExists(atPath: folder + entry, isDirectory: &isFolder)
            return folder + entry + (isFolder.boolValue ? "/" : "")
        }
    }
}

/// The words of a command line as kaon gets them. bash divides words at `=` and `:` before it completes them.
struct ShellWords {
    /// The words except the one at the cursor.
    let words: [String]
    /// The word at the cursor, up to the cursor.
    let current: String
    /// Characters at the start of `current` that the shell keeps: it replaces the part after them.
    let replacedAfter: Int

    /// - Parameters:
    ///   - index: the word at the cursor.
    ///   - prefix: its part before the cursor; empty where the shell does not say.
    init(_ divided: [String], index: Int, prefix: String, isBash: Bool = CompletionShell.requesting == .bash) {
        let last = Self.unquoted(index < divided.count ? (prefix.isEmpty ? divided[index] : prefix) : "")
        let divided = divided.map(Self.unquoted)
        guard isBash else {
            words = divided.enumerated().filter { $0.offset != index }.map(\.element)
            (current, replacedAfter) = (last, 0)
            return
        }
        // Put together again: "a", "=", "b" were one word, but bash does not say whether spaces were between them.
        var joined: [String] = []
        func append(_ word: String, to words: inout [String]) {
            let isBreak = word == "=" || word == ":"
            let follows = words.last.map { $0.hasSuffix("=") || $0.hasSuffix(":") } == true && !word.isEmpty
            if !words.isEmpty, isBreak || follows { words[words.count - 1] += word } else { words.append(word) }
        }
        for word in divided.prefix(index) { append(word, to: &joined) }
        let isContinued =
            joined.last.map { last == "=" || last == ":" || $0.hasSuffix("=") || $0.hasSuffix(":") } == true
        let kept = isContinued ? joined.removeLast() : ""
        words = joined + divided.dropFirst(index + 1)
        current = kept + last
        replacedAfter = kept.count + (last == "=" || last == ":" ? 1 : 0)
    }

    /// A word without its quotes and backslashes, of which the last quote may be open.
    private static func unquoted(_ word: String) -> String {
        var (result, quote, isEscaped) = ("", Character?.none, false)
        for character in word {
            if isEscaped {
                // Within double quotes a backslash stands for itself before other characters.
                if quote != nil, !"$`\"\\".contains(character) { result.append("\\") }
                result.append(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { result.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
            } else {
                result.append(character)
            }
        }
        return result
    }
}
