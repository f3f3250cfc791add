import Configuration
import Foundation
import Jets
import NN
import Objectives
import Tensors
import TestSupport
import Testing

/// Every downstream task overfits one batch, backbone and head from initial weights, and its measures show it.
@Suite struct DownstreamTests {
    private func options(_ yaml: String) throws -> DownstreamOptions {
        var configuration = try Configuration(yaml: yaml)
        try configuration.override(
            "model={encoder: {width: 32, layers: 2, heads: 4, registers: 2, layer_scale: 0.5}}")
        try configuration.override("backbone_mode=scratch")
        let root = configuration.section()
        guard case .downstream(_, let options) = try ObjectiveOptions(from: root) else {
            throw ObjectiveError("\(yaml) is no downstream task")
        }
        try root.finish()
        return options
    }

    /// Jets of the BTag sample with the labels of their tracks, or of the ten classes.
    private func batch(_ options: DownstreamOptions, names: [String]) throws -> (batch: JetBatch, loader: JetLoader) {
        let tracks = names.contains("light")
        let dataset = try JetDataset(
            paths: [sample(tracks ? "btag" : "val")],
            reading: JetReading(
                maxConstituents: 20, constituentLabels: tracks ? ["vtx_id", "track_type"] : [],
                quantities: options.task.quantities),
            choice: JetChoice(classes: tracks ? nil : names), on: alone)
        let loader = JetLoader(
            dataset: dataset,
            preprocessing: try QuantilePreprocessing.fit(dataset, jets: 300, quantiles: 50, on: alone),
            order: .init(batchSize: 40, seed: 5, shuffle: false),
            contents: .init(momenta: true, classOfLabel: JetClasses(names).indices(in: dataset)))
        let batch = try loader.batch(epoch: 0, step: 0)
        guard tracks else { return (batch, loader) }
        // The batch of a task has only the labels of that task.
        let index = options.task is Vertexing.Options ? 0 : 1
        return (
            JetBatch(
                jets: batch.jets, epoch: 0, offsets: batch.offsets, values: batch.values,
                identities: batch.identities, labels: batch.labels,
                constituentLabels: [batch.constituentLabels[index]]), loader
        )
    }

    /// Means of the terms before and after training, and the measures after it.
    private func learn(
        _ yaml: String, names: [String], steps: Int = 120
    ) throws -> (first: [Double], last: [Double], measures: [String: Double]) {
        BLAS.useCallingThreadOnly()
        let options = try options(yaml)
        let (batch, loader) = try batch(options, names: names)
        let objective = DownstreamObjective(
            options, JetShape(features: 7, maxConstituents: 20, classes: JetClasses(names)), seed: 3)
        let part = objective.prepare(batch, phase: .training(step: 0))
        let optimizer = AdamW(objective.parameters)
        let scales = zip(objective.terms, part.counts).map { Float($0.weight / $1) }
        func means() -> [Double] {
            let still = objective.prepare(batch, phase: .validation)
            return zip(still.evaluate([0, 0], Tape(recording: false)), still.counts).map { $0 / $1 }
        }
        // The standardisation of a regression.
        try objective.fit(to: loader, on: alone) { _ in }
        let first = means()
        for step in 0..<steps { optimizer.learn(part, scales, of: objective, step: step, of: steps) }
        func measures(_ part: MicroBatch) -> [String: Double] {
            let predictions = part.predict(loader.preprocessing, Tape(recording: false))
            return Dictionary(uniqueKeysWithValues: objective.measures(of: predictions).map { ($0.name, $0.value) })
        }
        // With the encodings of the loss, and with their own.
        let evaluated = objective.prepare(batch, phase: .validation)
        _ = evaluated.evaluate([0, 0], Tape(recording: false))
        let (found, own) = (measures(evaluated), measures(objective.prepare(batch, phase: .validation)))
        // Some are not a number.
        #expect(!found.isEmpty && found.mapValues(\.bitPattern) == own.mapValues(\.bitPattern))
        return (first, means(), found)
    }

    @Test(arguments: [
        "{name: class_attention, width: 16, heads: 2, dropout: 0, label_smoothing: 0}",
        "{name: weighted_pooling, label_smoothing: 0}", "{name: mean_pooling, width: 48, label_smoothing: 0}",
    ])
    func classification(head: String) throws {
        let result = try learn("{objective: classification, head: \(head)}", names: ["QCD", "Tbqq", "Hbb", "Wqq"])
        #expect(result.first[0] > 1.2 && result.last[0] < 0.2 * result.first[0] && result.last[1] > 0.95)
        #expect(result.measures["balanced_accuracy"]! > 0.95 && result.measures["auc"]! > 0.99)
        #expect(result.measures["rejection_Tbqq_at_50"]! > 5)
    }

    /// The second head has the form of the authors' code.
    @Test(arguments: ["{width: 32}", "{width: 32, norm: true, distances: backbone}"])
    func vertexing(head: String) throws {
        let result = try learn("{objective: vertexing, head: \(head)}", names: ["light", "c", "b"], steps: 250)
        #expect(result.last[0] < 0.3 * result.first[0] && result.last[1] > 0.93)
        for name in ["ari", "ari_components", "hubert_arabie", "raw_pair_index"] {
            #expect(result.measures[name]! > 0.7, "\(name)")
        }
    }

    /// The indices, also by the largest number of a vertex, without jets of a single track.
    @Test func vertexingMeasures() throws {
        let task = DownstreamObjective(
            try options("{objective: vertexing}"), JetShape(features: 7, maxConstituents: 20), seed: 0)
        func measures(_ counts: [Int], _ truth: [Int], _ found: [Int], _ scores: [Float]) -> [String: Double] {
            let predictions = Predictions([
                "constituents": .init(counts), "vertex": .init(truth), "predicted_vertex": .init(found),
                "pair_scores": .init(scores), "vertexing_loss": .init(counts.map { _ in 0 as Float }),
            ])
            return Dictionary(uniqueKeysWithValues: task.measures(of: predictions).map { ($0.name, $0.value) })
        }
        // One track; a right and a wrong pair; three tracks, of which two of three pairs are right.
        let result = measures(
            [1, 2, 2, 3], [4, 0, 0, 8, 0, 0, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0], [0.9, 0.8, 0.9, 0.1, 0.9])
        // Of 5 partitions of three items, 2 join a pair: E = 2/5 · 1/3 + 3/5 · 2/3.
        let (expected, rand) = (8.0 / 15, 2.0 / 3)
        let last = (rand - expected) / (1 - expected)
        #expect(result["ari_0_secondary_vertices"] == 1 && result["ari_7_or_more_secondary_vertices"] == -1)
        #expect(abs(result["ari_2_secondary_vertices"]! - last) < 1e-12)
        #expect(abs(result["ari"]! - last / 3) < 1e-12)
        #expect(result["ari_4_secondary_vertices"] == nil)
        #expect(abs(result["hubert_arabie"]! - 1.0 / 3) < 1e-12 && abs(result["raw_pair_index"]! - 1.4 / 3) < 1e-12)
        // Without a pair there is nothing to measure.
        let nothing = measures([1], [0], [0], [])
        for name in ["ari", "ari_components", "hubert_arabie", "raw_pair_index"] { #expect(nothing[name]!.isNaN) }
    }

    /// The losses of the measures are those of the terms, also for confident mistakes: a score of 1 − 2 · 10⁻⁹ is 1 in
    /// single precision.
    @Test(arguments: [
        ("{objective: cwola, cwola: {background: [QCD], signal: [Tbqq]}}", "output"), ("{objective: vertexing}", "g"),
        ("{objective: classification}", "output"), ("{objective: track_origin}", "layers.2"),
    ])
    func lossesOfConfidentMistakes(yaml: String, layer: String) throws {
        BLAS.useCallingThreadOnly()
        let options = try options(yaml)
        let names = options.task.needsClasses ? ["QCD", "Tbqq"] : ["light", "c", "b"]
        let (batch, loader) = try batch(options, names: names)
        let objective = DownstreamObjective(
            options, JetShape(features: 7, maxConstituents: 20, classes: JetClasses(names)), seed: 3)
        let bias = try #require(objective.parameters["head.\(layer).bias"]).variable.value
        bias.buffer[bias.count - 1] = 20
        let part = objective.prepare(batch, phase: .validation)
        let loss = part.evaluate([0, 0], Tape(recording: false))[0] / part.counts[0]
        let measures = objective.measures(
            of: objective.prepare(batch, phase: .validation).predict(
                loader.preprocessing, Tape(recording: false)))
        let measure = try #require(measures.first { $0.name == objective.terms[0].column })
        #expect(loss > 1 && abs(measure.value / loss - 1) < 1e-5, "\(measure.value) is not \(loss)")
    }

    @Test(arguments: [
        "{width: 32, label_smoothing: 0}",
        "{width: 32, label_smoothing: 0, layers: 3, activation: silu, norm: true, "
            + "class_weights: [0.4, 1.4, 3.3, 2.4]}",
    ])
    func trackOrigin(head: String) throws {
        let result = try learn("{objective: track_origin, head: \(head)}", names: ["light", "c", "b"], steps: 250)
        #expect(result.first[0] > 1.2 && result.last[0] < 0.2 * result.first[0])
        #expect(result.measures["balanced_accuracy"]! > 0.9)
    }

    /// Smoothing and weights of the classes change the loss of the same model as PyTorch's cross-entropy does.
    @Test func lossOfTrackOrigin() throws {
        BLAS.useCallingThreadOnly()
        func loss(_ head: String) throws -> Double {
            let options = try options("{objective: track_origin, head: \(head)}")
            let batch = try batch(options, names: ["light", "c", "b"]).batch
            let objective = DownstreamObjective(options, JetShape(features: 7, maxConstituents: 20), seed: 3)
            let part = objective.prepare(batch, phase: .validation)
            return part.evaluate([0, 0], Tape(recording: false))[0] / part.counts[0]
        }
        let plain = try loss("{width: 8, label_smoothing: 0, class_weights: [1, 1, 1, 1]}")
        #expect(try abs(loss("{width: 8, label_smoothing: 0, class_weights: [5, 5, 5, 5]}") - plain) < 1e-5)
        #expect(try abs(loss("{width: 8, label_smoothing: 0, class_weights: [5, 1, 1, 1]}") - plain) > 1e-4)
        // An untrained model is close to the uniform distribution, whose smoothed loss is the same.
        let smooth = try loss("{width: 8, label_smoothing: 1, class_weights: [1, 1, 1, 1]}")
        #expect(abs(smooth - plain) > 1e-4 && abs(smooth - log(4)) < 0.2)
        #expect(try loss("{width: 8, dropout: 0.9, label_smoothing: 0, class_weights: [1, 1, 1, 1]}") == plain)
    }

    @Test(arguments: [
        "{loss: l1}", "{loss: mse}", "{loss: huber, delta: 0.5, relative_to: jets/pt}", "{loss: gaussian}",
        "{target: jets/num_csts, loss: gaussian}",
    ])
    func regression(section: String) throws {
        let names = ["QCD", "Tbqq", "Hbb", "Wqq"]
        let result = try learn(
            "{objective: regression, head: {width: 16, heads: 2, dropout: 0}, regression: \(section)}", names: names,
            steps: 250)
        let resolution = try #require(result.measures["resolution"])
        #expect(result.last[0] < result.first[0] - 0.2 && result.last[1] < 0.3 * result.first[1])
        #expect(resolution < 2 * result.last[1] && abs(result.measures["response"]! - 1) < 0.05)
        #expect((result.measures["coverage"] != nil) == section.contains("gaussian"))
    }

    /// Predictions are in the units of the target, and so are their uncertainties; the table has equal counts.
    @Test func regressionPredictsPhysicalUnits() throws {
        BLAS.useCallingThreadOnly()
        let options = try options(
            "{objective: regression, "
                + "regression: {target: jets/mass, relative_to: jets/pt, loss: gaussian, fit_jets: 40}}"
        )
        let (batch, loader) = try batch(options, names: ["QCD", "Tbqq"])
        let objective = DownstreamObjective(options, JetShape(features: 7, maxConstituents: 20), seed: 3)
        var lines: [String] = []
        try objective.fit(to: loader, on: alone) { lines.append($0) }
        let ratios = zip(batch.quantities[0], batch.quantities[1]).map { Double($0 / $1) }
        let mean = ratios.reduce(0, +) / 40
        let deviation = (ratios.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 40).squareRoot()
        let state = try #require(objective.state.tensors["task/standardisation"]).array.map { Double($0) }
        #expect(abs(state[0] - mean) < 1e-6 && abs(state[1] - deviation) < 1e-6)
        #expect(lines.count == 1 && lines[0].hasPrefix("/jets/mass / /jets/pt: mean "))
        // An output of (1, ln 2): one deviation above the mean, with twice the deviation as uncertainty.
        for parameter in objective.parameters.parameters where parameter.name.hasPrefix("head.output.") {
            let values = parameter.variable.value.buffer
            for index in values.indices { values[index] = 0 }
            if parameter.name.hasSuffix("bias") { (values[0], values[1]) = (1, Float(log(2.0))) }
        }
        let predictions = objective.prepare(batch, phase: .validation).predict(
            loader.preprocessing, Tape(recording: false))
        for (jet, pt) in batch.quantities[1].enumerated() {
            #expect(abs(Double(predictions.floats("predicted")[jet]) - (mean + deviation) * Double(pt)) < 1e-3)
            #expect(abs(Double(predictions.floats("sigma")[jet]) - 2 * deviation * Double(pt)) < 1e-3)
        }
        #expect(predictions.floats("target") == batch.quantities[0])
        let rows = try #require(objective.tables(of: predictions)["pt_intervals"])
        #expect(rows.count == 10 && rows.allSatisfy { $0.count == 7 && $0[2] == 4 && $0[0] <= $0[1] })
        #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[1] <= $1[0] })
        // Its state makes another model predict the same.
        let other = DownstreamObjective(options, JetShape(features: 7, maxConstituents: 20), seed: 3)
        try other.restore(objective.state)
        #expect(try #require(other.state.tensors["task/standardisation"]).array == state.map { Float($0) })
    }

    /// A target that is the same for all jets cannot be standardised.
    @Test func regressionOfAConstant() throws {
        let options = try options("{objective: regression, regression: {target: labels}}")
        let (_, loader) = try batch(options, names: ["QCD"])
        let objective = DownstreamObjective(options, JetShape(features: 7, maxConstituents: 20), seed: 3)
        let text = failure { try objective.fit(to: loader, on: alone) { _ in } }
        #expect(text.contains("/labels of the training jets has the mean") && text.contains("regression.target"))
    }

    /// The model overfits the random samples, not the true classes.
    @Test func weakSupervision() throws {
        let result = try learn(
            "{objective: cwola, cwola: {background: [QCD, Wqq], signal: [Tbqq]}, "
                + "head: {width: 16, heads: 2, dropout: 0}}",
            names: ["QCD", "Wqq", "Tbqq"])
        #expect(result.measures["sic_half"] != nil && result.measures["auc"]! > 0.4)
    }

    /// The part of a target that moves to the other sample is proportional to the key, and new in every epoch.
    @Test func smoothedSamples() throws {
        BLAS.useCallingThreadOnly()
        func losses(_ smoothing: Double, phase: Phase, epoch: Int = 0) throws -> Double {
            let options = try options(
                "{objective: cwola, cwola: {background: [QCD], signal: [Tbqq], label_smoothing: \(smoothing)}, "
                    + "head: {width: 16, heads: 2, dropout: 0}}")
            let jets = try batch(options, names: ["QCD", "Tbqq"]).batch
            let batch = JetBatch(
                jets: jets.jets, epoch: epoch, offsets: jets.offsets, values: jets.values, identities: jets.identities,
                labels: jets.labels)
            let objective = DownstreamObjective(
                options, JetShape(features: 7, maxConstituents: 20, classes: JetClasses(["QCD", "Tbqq"])), seed: 3)
            // A certain classifier of one sample: its loss is the distance of the logits times the part of each jet
            // that belongs to the other sample.
            for parameter in objective.parameters.parameters where parameter.name == "head.output.bias" {
                parameter.variable.value.buffer[1] = 20
            }
            return objective.prepare(batch, phase: phase).evaluate([0, 0], Tape(recording: false))[0]
        }
        let training = Phase.training(step: 0)
        let (plain, half, whole) = try (
            losses(0, phase: training), losses(0.5, phase: training), losses(1, phase: training)
        )
        #expect(half != plain && abs(half - (plain + whole) / 2) < 1e-3)
        #expect(try losses(0.5, phase: training) == half)
        #expect(try abs(losses(0.5, phase: training, epoch: 1) - half) > 1e-3)
        #expect(try losses(0, phase: training, epoch: 1) == plain)
        #expect(try losses(0.5, phase: .validation) == losses(0, phase: .validation))
    }

    /// The deepest heads and the widest hidden layers that a configuration may have leave random numbers for dropout.
    @Test(arguments: [
        "{objective: classification, head: {layers: 8, width: 64, feedforward_multiplier: 64, dropout: 0.5}}",
        "{objective: vertexing, head: {layers: 16, width: 8, dropout: 0.5}}",
        "{objective: track_origin, head: {layers: 16, width: 8, dropout: 0.99998}}",
        "{objective: track_origin, head: {layers: 1, width: 4096, dropout: 0.5}}",
    ])
    func dropoutOfLargeHeads(yaml: String) throws {
        BLAS.useCallingThreadOnly()
        let options = try options(yaml)
        let names = options.task.needsClasses ? ["QCD", "Tbqq"] : ["light", "c", "b"]
        let batch = try batch(options, names: names).batch
        let objective = DownstreamObjective(
            options, JetShape(features: 7, maxConstituents: 20, classes: JetClasses(names)), seed: 3)
        let sums = objective.prepare(batch, phase: .training(step: 0)).evaluate([1, 0], Tape())
        #expect(sums[0].isFinite && sums[0] > 0)
    }

    /// The training files are reduced to the chosen classes and numbers of jets.
    @Test func backgroundFallsIntoBothSamples() throws {
        let options = try options("{objective: cwola, cwola: {background: [QCD, Wqq], signal: [Tbqq], signal_jets: 7}}")
        let names = ["QCD", "Wqq", "Tbqq"]
        let choice = try #require(ObjectiveOptions.downstream(.cwola, options).choice(seed: 5))
        #expect(choice.classes == names && choice.counts == ["Tbqq": 7])
        let dataset = try JetDataset(paths: [sample("val")], choice: choice, on: alone)
        let all = try JetDataset(paths: [sample("val")], choice: JetChoice(classes: ["QCD", "Wqq"]), on: alone)
        #expect(dataset.count == all.count + 7)
    }

    @Test(arguments: [
        ("{objective: cwola, backbone_mode: scratch, cwola: {background: [QCD], signal: [QCD]}}", "cwola.signal"),
        ("{objective: classification, backbone_mode: fixed}", "backbone: backbone_mode is fixed"),
        (
            "{objective: track_origin}",
            "backbone_mode: missing, and no backbone is given: add backbone=CHECKPOINT of a pre-training, or "
                + "backbone_mode=scratch to train from random initial weights"
        ),
        (
            "{objective: classification, backbone_mode: scratch, head: {width: 10, heads: 4}}",
            "a width of 10 cannot be divided among 4 heads"
        ),
        (
            "{objective: regression, backbone_mode: scratch, head: {feedforward_multiplier: 33}}",
            "head.feedforward_multiplier: the feed-forward networks have 4224 channels"
        ),
        ("{objective: vertexing, backbone_mode: scratch, head: {gamma: -1}}", "head.gamma"),
        (
            "{objective: vertexing, backbone_mode: scratch, head: {distances: wide}}",
            "expected an integer or 'backbone'"
        ),
        ("{objective: vertexing, backbone_mode: scratch, head: {activation: relu}}", "head.activation"),
        ("{objective: track_origin, backbone_mode: scratch, head: {dropout: 1}}", "head.dropout"),
        (
            "{objective: track_origin, backbone_mode: scratch, head: {class_weights: [1, 2]}}",
            "a weight for each of primary, c, b, other"
        ),
        (
            "{objective: track_origin, backbone_mode: scratch, head: {class_weights: [1, 2, 0, 1]}}",
            "head.class_weights"
        ),
        ("{objective: cwola, backbone_mode: scratch, cwola: {label_smoothing: 2}}", "cwola.label_smoothing"),
        ("{objective: regression, backbone_mode: scratch, regression: {target: a/b/c}}", "regression.target"),
        ("{objective: regression, backbone_mode: scratch, regression: {relative_to: /}}", "regression.relative_to"),
        ("{objective: regression, backbone_mode: scratch, regression: {loss: l2}}", "regression.loss"),
        ("{objective: regression, backbone_mode: scratch, regression: {delta: 0}}", "regression.delta"),
    ])
    func badValuesAreNamed(yaml: String, message: String) throws {
        let text = failure { _ = try ObjectiveOptions(from: Configuration(yaml: yaml).section()) }
        #expect(text.contains(message), "\(text)")
    }
}
