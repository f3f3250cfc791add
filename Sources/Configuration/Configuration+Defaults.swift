import Foundation

/// Files that a configuration file builds on:
///
///     defaults: [../base.yaml, cluster.yaml]
///     model: {encoder: {layers: 12}}        # all other keys are those of the two files
///     tasks: {~kmeans: }                    # removes a key of theirs
///
/// Files are merged in their order, and the file that names them comes last. Sections are merged key by key; all other
/// values, lists among them, replace those before. Paths are relative to the folder of the file; files may build on
/// others themselves.
extension Configuration {
    /// The key that names the files.
    package static let defaultsKey = "defaults"

    /// The most files that a configuration may consist of.
    private static let maximumFiles = 100

    /// Reads a file and those that it builds on. Throws `ConfigurationError` if one does not exist, is not a mapping in
    /// valid YAML, or builds on itself.
    package init(contentsOf path: String) throws {
        var count = 0
        self = try Self.read(path, within: [], &count)
    }

    /// - Parameter outer: the files that are being read, with their resolved paths.
    private static func read(
        _ path: String, within outer: [(name: String, file: String)], _ count: inout Int
    ) throws -> Configuration {
        var configuration = try Configuration(file: path)
        count += 1
        guard let index = configuration.entries.firstIndex(where: { $0.key == defaultsKey }) else {
            return configuration
        }
        let entry = configuration.entries.remove(at: index)
        let chain = outer + [(path, identity(path))]
        var merged: [Value.Entry] = []
        for name in try names(entry) {
            func refusal(_ message: String) -> ConfigurationError {
                ConfigurationError(entry.place, defaultsKey, message)
            }
            let base = name.hasPrefix("/") ? name : relative(name, to: path)
            if let first = chain.firstIndex(where: { $0.file == identity(base) }) {
                let loop = (chain[first...].map(\.name) + [chain[first].name]).joined(separator: " → ")
                throw refusal("the files build on each other in a circle: \(loop)")
            }
            guard FileManager.default.fileExists(atPath: base) else {
                throw refusal("there is no file \(base); paths are relative to the folder of this file")
            }
            guard count < maximumFiles else {
                throw refusal("the configuration consists of more than \(maximumFiles) files")
            }
            try merge(read(base, within: chain, &count).entries, into: &merged)
        }
        try merge(configuration.entries, into: &merged)
        configuration.entries = merged
        return configuration
    }

    private static func names(_ entry: Value.Entry) throws -> [String] {
        let codec = ValueCodec<String>.path.list(typeName: "a list of files")
        do {
            return try codec.decode(entry.value.content)
        } catch let mismatch as Mismatch {
            let message = mismatch.message(expected: codec.typeName, found: entry.value.content)
            throw ConfigurationError(entry.place, entry.key, message)
        }
    }

    /// The same for all names of a file.
    private static func identity(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// A path in the folder of a file.
    private static func relative(_ name: String, to path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return name }
        return path[...slash] + name
    }

    /// Merges the entries of a later file into those of earlier ones. Throws `ConfigurationError` if a key that is to
    /// be removed does not exist or has a value.
    private static func merge(_ later: [Value.Entry], into entries: inout [Value.Entry]) throws {
        for entry in later {
            if entry.key.hasPrefix("~"), entry.key.count > 1 {
                let key = String(entry.key.dropFirst())
                guard let index = entries.firstIndex(where: { $0.key == key }) else {
                    let hint = suggestion(for: key, among: entries.map(\.key))
                    throw ConfigurationError(
                        entry.place, entry.key, "the files before have no such key to remove\(hint)")
                }
                guard entry.value.content == .null else {
                    throw ConfigurationError(
                        entry.place, entry.key,
                        "removes the key and takes no value, found "
                            + entry.value.content.phrase)
                }
                entries.remove(at: index)
                continue
            }
            guard let index = entries.firstIndex(where: { $0.key == entry.key }) else {
                entries.append(entry)
                continue
            }
            if case .map(var children) = entries[index].value.content, case .map(let own) = entry.value.content {
                try merge(own, into: &children)
                let value = Value(content: .map(children), place: entry.value.place)
                entries[index] = Value.Entry(key: entry.key, place: entry.place, value: value)
            } else {
                entries[index] = entry
            }
        }
    }
}
