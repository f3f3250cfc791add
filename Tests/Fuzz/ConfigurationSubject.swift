import Configuration
import Foundation
import Runs

/// A configuration file with overrides.
///
/// If it is accepted, the resolved configuration, with all defaults, is accepted too and resolves to itself.
struct ConfigurationSubject: Subject {
    private let path: String
    private let texts: [String]
    private let keys: [String]
    private let mutation: TextMutation

    init(_ folder: String) throws {
        path = folder + "/input.yaml"
        let short = """
            # A comment.
            seed: 3
            data: {train: [a.h5, "b c.h5"], validation: v.h5, max_constituents: 64}
            model:
              encoder: {width: 16, layers: 1, heads: 2, registers: 2, layer_scale: 0.1}
              decoder: {width: 16, layers: 1, heads: 2}
            masking: {strategy: random, fraction: 0.4}
            tasks:
              particle_id: {weight: 0.3}
              kmeans: {clusters: 16}
            training: {steps: 1e3, batch_size: 8}
            """
        let options = try RunOptions(Configuration(yaml: short), name: "x")
        texts = [short, options.resolved]
        keys = Self.paths(in: options.resolved)
        mutation = TextMutation(words: keys.flatMap { $0.split(separator: ".").map(String.init) })
    }

    func tryInput(_ random: inout SplitMix) throws {
        var text = random.element(texts)
        if !random.oneIn(4) { mutation.apply(to: &text, &random) }
        var bytes = Array(text.utf8)
        if random.oneIn(4) { Mutation.apply(to: &bytes, &random) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        var overrides: [String] = []
        while random.oneIn(2) { overrides.append(override(&random)) }
        try Data(overrides.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path + ".overrides"))

        var configuration = try Configuration(contentsOf: path)
        for override in overrides { try configuration.override(override) }
        let options = try RunOptions(configuration, name: "x")
        let again: RunOptions
        do {
            again = try RunOptions(Configuration(yaml: options.resolved), name: "x")
        } catch {
            throw Fault(description: "accepted, but its resolved form is refused: \(error)")
        }
        guard again.resolved == options.resolved else {
            throw Fault(description: "the resolved form changes when it is read again")
        }
        for step in [0, 1, options.training.steps / 2, options.training.steps] {
            guard options.schedule.factor(step: step).isFinite else {
                throw Fault(description: "the learning rate is not finite at step \(step)")
            }
        }
    }

    private func override(_ random: inout SplitMix) -> String {
        var text = random.element(keys) + "=" + random.element(mutation.words)
        if random.oneIn(8) { text = "~" + random.element(keys) }
        if random.oneIn(4) { mutation.apply(to: &text, &random) }
        if random.oneIn(50) {
            text = String(repeating: "a.", count: random.element([50, 5000, 50_000])) + text
        }
        return text
    }

    /// The dotted paths of all keys in a YAML text in block style with two spaces per level.
    private static func paths(in yaml: String) -> [String] {
        var stack: [String] = []
        return yaml.split(separator: "\n").compactMap { line in
            let depth = line.prefix { $0 == " " }.count / 2
            guard let key = line.drop(while: { $0 == " " }).split(separator: ":").first, !line.contains("- ")
            else {
                return nil
            }
            stack = Array(stack.prefix(depth)) + [String(key)]
            return stack.joined(separator: ".")
        }
    }
}
