import Configuration
import Objectives

/// The page of all configuration keys, `docs/configuration.md`, generated from the decoders.
package struct ConfigurationReference: Sendable {
    /// A key as it is read for each objective that has it.
    package struct Entry: Sendable {
        package let path: String
        package var variants: [(objective: ObjectiveOptions.Name, explored: KeyExplorer.ExploredKey)]

        /// The dotted path of the section that contains the key.
        package var parent: String { path.split(separator: ".").dropLast().joined(separator: ".") }

        /// The first component of the path; empty for a key of the root.
        package var section: String { path.contains(".") ? String(path.prefix { $0 != "." }) : "" }
    }

    package let entries: [Entry]

    /// Sections in the order of the page; any others follow.
    private static let order = [
        "", "run", "data", "preprocessing", "model", "masking", "tasks", "tokenizer", "vqvae", "set_flow",
        "next_token", "fine_tuning", "head", "cwola", "regression", "optimizer", "schedule", "training", "parallel",
        "evaluate", "generate",
    ]

    /// Throws `ConfigurationError` if the minimal configuration of an objective cannot be decoded.
    package init() throws {
        var entries: [Entry] = []
        var index: [String: Int] = [:]
        for objective in ObjectiveOptions.Name.allCases {
            for explored in try KeyExplorer(objective).keys {
                let path = explored.key.path
                if let place = index[path] {
                    entries[place].variants.append((objective, explored))
                } else {
                    index[path] = entries.count
                    entries.append(Entry(path: path, variants: [(objective, explored)]))
                }
            }
        }
        self.entries = entries
    }

    /// The paths of keys without a description.
    package var undescribed: [String] {
        entries.filter { $0.variants.contains { $0.explored.key.help.isEmpty } }.map(\.path)
    }

    /// The page in Markdown.
    package var page: String {
        let names = Set(entries.map(\.section))
        let sections = Self.order.filter(names.contains) + names.subtracting(Self.order).sorted()
        return """
            # Configuration: every key

            `kaon reference` generates this page from the code that decodes the keys, and a test compares the two. A \
            key is
            set in a YAML file, or on the command line by its dotted path (`optimizer.learning_rate=3e-4`). An \
            unknown key is
            an error. `kaon init NAME --objective OBJECTIVE` writes a file with the main keys and these descriptions. A
            default or range that differs between objectives is listed with their names; *italics* state which \
            objectives and
            settings a key requires. The downstream tasks are `classification`, `cwola`, `vertexing`, \
            `track_origin` and
            `regression`; they take the keys of `model`, `data.features` and `preprocessing` from their backbone.

            In paths of data files, checkpoints and the run folder, `~` at the start, `$NAME` and `${NAME}` are \
            replaced by the
            values of environment variables. YAML anchors may be merged with `<<`; 010 is 10, as in YAML 1.2. On the
            command line, a value may begin with `*`, as in `'data.train=[*.h5]'`; one with a space before `#` is quoted
            twice: `run.name='"sweep #1"'`.

            A file may build on others, which `defaults` names, relative to its own folder:

            ```yaml
            defaults: [mpmv2-kmeans.yaml, site/cluster.yaml]
            training: {steps: 20_000}       # all other keys of training are those of the files above
            tasks: {~kmeans: , vqvae: {}}   # ~ removes a key of theirs
            ```

            Files are merged in their order, and the one that names them comes last: sections key by key, while other \
            values,
            lists among them, replace those before. The files may have `defaults` themselves. A key that another \
            choice does
            not have, such as `schedule.half_life` after `schedule: {name: constant}`, has to be removed. Errors name \
            file and
            line of the value, and `config.yaml` of the run folder has everything in one file.

            """ + sections.map(table).joined(separator: "\n")
    }

    /// Groups keys by section: those of a section in the order of reading, then those of the sections in it.
    private func sorted(_ entries: [Entry], below section: String) -> [Entry] {
        let (inside, own) = (entries.filter { $0.parent != section }, entries.filter { $0.parent == section })
        let depth = section.isEmpty ? 0 : section.split(separator: ".").count
        func child(_ entry: Entry) -> String {
            entry.path.split(separator: ".").prefix(depth + 1).joined(separator: ".")
        }
        var children: [String] = []
        for entry in inside where !children.contains(child(entry)) { children.append(child(entry)) }
        return own + children.flatMap { name in sorted(inside.filter { child($0) == name }, below: name) }
    }

    private func table(_ section: String) -> String {
        let rows = sorted(entries.filter { $0.section == section }, below: section).map { entry in
            let name = section.isEmpty ? entry.path : String(entry.path.dropFirst(section.count + 1))
            let description = [entry.help, entry.scope].filter { !$0.isEmpty }.joined(separator: " ")
            return "| `\(name)` | \(entry.value) | \(entry.defaults) | \(description) |"
        }
        return """

            ## \(section.isEmpty ? "At the root" : "`\(section)`")

            | key | value | default | description |
            |---|---|---|---|
            \(rows.joined(separator: "\n"))

            """
    }
}

extension ConfigurationReference.Entry {
    private typealias Name = ObjectiveOptions.Name

    /// The type and range of the value.
    fileprivate var value: String {
        byObjective { key in
            if key.isSection || key.expected.isEmpty { return "section" }
            if !key.choices.isEmpty { return key.choices.map { "`\($0)`" }.joined(separator: ", ") }
            let type = key.expected.replacing(#/^an? /#, with: "").replacing("'", with: "`")
            guard !key.requirement.isEmpty else { return type }
            return type + ", " + key.requirement.replacing(#/from (\d+) to 2147483647/#) { "at least \($0.1)" }
        }
    }

    fileprivate var defaults: String { byObjective { $0.defaultText.map { "`\($0)`" } ?? "required" } }

    fileprivate var help: String { texts { $0.help }.joined(separator: "; ") }

    /// The text of most objectives, then those of the others, then those under other settings; the type of the first
    /// is not repeated.
    private func byObjective(_ text: (ConfigurationKey) -> String) -> String {
        let texts = texts(text)
        let type = texts[0].prefix { $0 != "," } + ", "
        return ([texts[0]] + texts.dropFirst().map { $0.replacing(type, with: "") }).joined(separator: "; ")
    }

    /// The text of most objectives, those of the others, and those under other settings.
    private func texts(_ text: (ConfigurationKey) -> String) -> [String] {
        let (common, others) = groups(text)
        var conditional = Groups()
        for (objective, explored) in variants {
            // Values of one setting with the same text are listed together.
            var settings: [(path: Substring, values: [Substring], text: String)] = []
            for (setting, key) in explored.variants where text(key) != text(explored.key) {
                let path = setting.prefix { $0 != "=" }
                let value = setting.dropFirst(path.count + 1)
                if let place = settings.firstIndex(where: { $0.path == path && $0.text == text(key) }) {
                    settings[place].values.append(value)
                } else {
                    settings.append((path, [value], text(key)))
                }
            }
            for (path, values, text) in settings {
                let isFile = values[0].hasSuffix(".h5")
                let shown = isFile ? "`\(path)`" : "`\(path): \(values.joined(separator: ", "))`"
                conditional.add(objective, "with \(shown): \(text)")
            }
        }
        let conditionalTexts = conditional.all.map { group in
            group.names.count == variants.count ? group.text : "\(Self.list(group.names)) \(group.text)"
        }
        return [common] + others + conditionalTexts
    }

    /// The text of most objectives, and the others after the names of their objectives.
    private func groups(_ text: (ConfigurationKey) -> String) -> (common: String, others: [String]) {
        var groups = Groups()
        for (objective, explored) in variants { groups.add(objective, text(explored.key)) }
        let common = groups.all.max { $0.names.count < $1.names.count }!.text
        let others = groups.all.filter { $0.text != common }.map { "\(Self.list($0.names)): \($0.text)" }
        return (common, others)
    }

    /// Objectives by equal text, in the order of their first appearance.
    private struct Groups {
        var all: [(text: String, names: [Name])] = []

        mutating func add(_ name: Name, _ text: String) {
            if let place = all.firstIndex(where: { $0.text == text }) {
                all[place].names.append(name)
            } else {
                all.append((text, [name]))
            }
        }
    }

    /// The objectives and settings that the key requires; empty if there are no conditions.
    fileprivate var scope: String {
        var groups: [(condition: [String], names: [Name])] = []
        for (objective, explored) in variants {
            let condition = explored.condition
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
            return [objectives, settings.isEmpty ? "" : "with \(settings)"].filter { !$0.isEmpty }.joined(
                separator: " ")
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
