import Configuration
import Objectives

/// The page of all keys of a configuration, docs/configuration.md, made from what the program asks for.
package struct ConfigurationReference: Sendable {
    /// A key with what it is for each objective that has it.
    package struct Entry: Sendable {
        package let path: String
        package var variants: [(objective: ObjectiveOptions.Name, found: KeyExplorer.Found)]

        /// The path of the section that it stands in.
        package var home: String { path.split(separator: ".").dropLast().joined(separator: ".") }

        /// The first part of the path; empty for a key of the root.
        package var section: String { path.contains(".") ? String(path.prefix { $0 != "." }) : "" }
    }

    package let entries: [Entry]

    /// Sections in the order of the page; others come last.
    private static let order = [
        "", "run", "data", "preprocessing", "model", "masking", "tasks", "tokenizer", "vqvae", "set_flow", "fine_tuning",
        "head", "cwola", "optimizer", "schedule", "training", "parallel",
    ]

    package init() throws {
        var entries: [Entry] = []
        var index: [String: Int] = [:]
        for objective in ObjectiveOptions.Name.allCases {
            for found in try KeyExplorer(objective).found {
                let path = found.key.path
                if let place = index[path] {
                    entries[place].variants.append((objective, found))
                } else {
                    index[path] = entries.count
                    entries.append(Entry(path: path, variants: [(objective, found)]))
                }
            }
        }
        self.entries = entries
    }

    /// The keys that nothing is said of, and what is said of keys that are none.
    package var faults: [String] {
        let paths = entries.map(\.path)
        let mute = paths.filter { KeyDescriptions.text(of: $0) == nil }.map { "\($0) has no description" }
        let used = Set(paths.compactMap { KeyDescriptions.name(of: $0) })
        return mute + KeyDescriptions.texts.keys.filter { !used.contains($0) }.sorted().map { "\($0) describes no key" }
    }

    /// The page.
    package var page: String {
        let names = Set(entries.map(\.section))
        let sections = Self.order.filter(names.contains) + names.subtracting(Self.order).sorted()
        return """
            # Configuration: every key

            This page is printed by `kaon reference`, from the types that read the keys; the tests compare the two. Any key can be
            given in a YAML file, or on the command line by its dotted path (`optimizer.learning_rate=3e-4`). An unknown key is an
            error. `kaon init NAME --objective OBJECTIVE` writes a file with the main keys and these words. Where defaults differ,
            the objective is named; where only some objectives have a key, or other keys decide, it is said in *italics*.
            Downstream are `classification`, `cwola`, `vertexing` and `track_origin`; a downstream task takes the keys of `model`,
            `data.features` and `preprocessing` from its backbone.

            """ + sections.map(table).joined(separator: "\n")
    }

    /// Keys of one section of a section side by side, in the order in which the sections come.
    private func sorted(_ entries: [Entry]) -> [Entry] {
        var homes: [String] = []
        for entry in entries where !homes.contains(entry.home) { homes.append(entry.home) }
        // Those of the section itself first.
        let depths = Set(homes.map { $0.split(separator: ".").count }).sorted()
        homes = depths.flatMap { depth in homes.filter { $0.split(separator: ".").count == depth } }
        return homes.flatMap { home in entries.filter { $0.home == home } }
    }

    private func table(_ section: String) -> String {
        let rows = sorted(entries.filter { $0.section == section }).map { entry in
            let name = section.isEmpty ? entry.path : String(entry.path.dropFirst(section.count + 1))
            let text = KeyDescriptions.text(of: entry.path) ?? ""
            return "| `\(name)` | \(entry.value) | \(entry.usual) | \([text, entry.scope].filter { !$0.isEmpty }.joined(separator: " ")) |"
        }
        return """

            ## \(section.isEmpty ? "At the root" : "`\(section)`")

            | key | value | default | what it says |
            |---|---|---|---|
            \(rows.joined(separator: "\n"))

            """
    }
}

extension ConfigurationReference.Entry {
    private typealias Name = ObjectiveOptions.Name

    /// The kind of value.
    fileprivate var value: String {
        byObjective { key in
            if key.isSection || key.expected.isEmpty { return "section" }
            if !key.choices.isEmpty { return key.choices.map { "`\($0)`" }.joined(separator: ", ") }
            let kind = key.expected.replacing(#/^an? /#, with: "").replacing("'", with: "`")
            guard !key.requirement.isEmpty else { return kind }
            return kind + ", " + key.requirement.replacing(#/from (\d+) to 2147483647/#) { "at least \($0.1)" }
        }
    }

    fileprivate var usual: String { byObjective { $0.usual.map { "`\($0)`" } ?? "to be given" } }

    /// What most objectives have, then others, then what comes of other keys.
    private func byObjective(_ text: (ConfigurationKey) -> String) -> String {
        var groups: [(text: String, names: [Name])] = []
        func add(_ new: String, _ name: Name, to groups: inout [(text: String, names: [Name])]) {
            if let place = groups.firstIndex(where: { $0.text == new }) {
                groups[place].names.append(name)
            } else {
                groups.append((new, [name]))
            }
        }
        var others: [(text: String, names: [Name])] = []
        for (objective, found) in variants {
            add(text(found.key), objective, to: &groups)
            for (setting, key) in found.others where text(key) != text(found.key) {
                let path = setting.prefix { $0 != "=" }
                let isPath = setting.hasSuffix(".h5")
                let shown = isPath ? "`\(path)`" : "`\(setting.replacing("=", with: ": "))`"
                add("with \(shown): \(text(key))", objective, to: &others)
            }
        }
        let most = groups.max { $0.names.count < $1.names.count }!.text
        let rest = groups.filter { $0.text != most }.map { "\(Self.list($0.names)): \($0.text)" }
        let all = others.map { other in
            other.names.count == variants.count ? other.text : "\(Self.list(other.names)) \(other.text)"
        }
        // What has been said of all need not be said again.
        let kind = most.prefix { $0 != "," } + ", "
        return ([most] + (rest + all).map { $0.replacing(kind, with: "") }).joined(separator: "; ")
    }

    /// Which objectives have the key, and what else it takes.
    fileprivate var scope: String {
        var groups: [(condition: [String], names: [Name])] = []
        for (objective, found) in variants {
            let condition = found.condition
            if let place = groups.firstIndex(where: { $0.condition == condition }) {
                groups[place].names.append(objective)
            } else {
                groups.append((condition, [objective]))
            }
        }
        if groups.count == 1, groups[0].condition.isEmpty, groups[0].names.count == Name.allCases.count { return "" }
        let texts = groups.map { condition, names in
            let settings = condition.map { "`\($0.replacing("=", with: ": "))`" }.joined(separator: " and ")
            let objectives = names.count == Name.allCases.count ? "" : Self.list(names)
            return [objectives, settings.isEmpty ? "" : "with \(settings)"].filter { !$0.isEmpty }.joined(separator: " ")
        }
        return "*(\(texts.joined(separator: "; ")))*"
    }

    private static func list(_ names: [Name]) -> String {
        let downstream = Name.allCases.filter(\.isDownstream)
        let hasAll = downstream.allSatisfy(names.contains)
        let single = names.filter { !(hasAll && $0.isDownstream) }.map { "`\($0.rawValue)`" }
        return (single + (hasAll ? ["downstream"] : [])).joined(separator: ", ")
    }
}
