import Configuration
import Foundation
import Jets
import Models
import NN
import Tensors

/// Groups the constituents of a jet by vertex: one logit for every pair of constituents, and the focal loss (Lin et
/// al., arXiv:1708.02002). A vertex is a connected component of the accepted pairs.
package final class Vertexing: DownstreamTask {
    /// Section `head`. By default the head of version 2 (arXiv:2409.12589), except that it has neither norms nor
    /// dropout, and takes distances in 128 channels instead of those of the backbone.
    package struct Options: Sendable, Equatable {
        /// Form of the network f.
        package var perceptron = PerceptronOptions(layers: 3, activation: .silu)
        /// Channels in which distances are taken; nil for those of the backbone.
        package var distances: Int? = 128
        /// Exponent γ of the focal loss.
        package var gamma = 3.0
        /// Weight of pairs from the same vertex.
        package var positiveWeight = 0.778

        package init() {}

        /// Decodes the section. Throws `ConfigurationError`.
        package init(from section: Section) throws {
            perceptron = try PerceptronOptions(from: section, defaults: perceptron)
            distances = try section.optionalInt(
                "distances", default: distances, in: 1...65536, absent: "backbone",
                help: "channels in which the distance of two tracks is taken; `backbone`: the width of the backbone")
            gamma = try section.double("gamma", default: gamma, in: .nonNegative, help: "exponent of the focal loss")
            positiveWeight = try section.double(
                "positive_weight", default: positiveWeight, in: .nonNegative,
                help: "weight of pairs from the same vertex in the loss")
        }
    }

    package let terms = [LossTerm(name: "vertexing", weight: 1), LossTerm(measure: .pairAccuracy)]
    private let head: VertexingHead
    private let options: Options
    private let seed: UInt64

    init(_ options: Options, width: Int, seed: UInt64, in scope: ParameterScope) {
        (self.options, self.seed) = (options, seed)
        head = VertexingHead(
            .init(
                inputs: width, width: options.perceptron.width, layers: options.perceptron.layers,
                distances: options.distances ?? width, form: options.perceptron.form),
            dropoutPlace: Classifier.dropoutPlace, in: scope)
    }

    package func counts(_ batch: JetBatch) -> [Double] {
        let pairs = Double(batch.offsets.pairs.tokens)
        return [pairs, pairs]
    }

    /// True for each pair whose constituents come from the same vertex.
    private func targets(_ batch: JetBatch) -> [Bool] {
        let vertices = batch.constituentLabels[0]
        return batch.offsets.mapPairs { vertices[$0] == vertices[$1] }
    }

    package func evaluate(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, scales: [Float], on tape: Tape
    ) -> [Double] {
        let keys = options.perceptron.keys(batch, phase: phase, seed: seed)
        let logits = head(encoded.constituents(on: tape), offsets: batch.offsets, keys: keys, on: tape)
        let targets = targets(batch)
        let right = zip(logits.value.buffer, targets).count { ($0 > 0) == $1 }
        return [loss(logits, targets, scale: scales[0], on: tape), Double(right)]
    }

    private func loss(_ logits: Variable, _ targets: [Bool], scale: Float, on tape: Tape) -> Double {
        tape.focalLoss(
            logits, target: targets, gamma: Float(options.gamma), positiveWeight: Float(options.positiveWeight),
            scale: scale)
    }

    package func predict(_ encoded: EncodedJets, _ batch: JetBatch, on tape: Tape) -> Predictions {
        let logits = head(encoded.constituents(on: tape), offsets: batch.offsets, on: tape).value
        let targets = targets(batch)
        let pairs = batch.offsets.pairs
        var (found, losses) = ([Int](), [Float]())
        for jet in 0..<batch.count {
            let own = logits.rows(pairs[jet])
            found += connectedComponents(of: batch.offsets[jet].count, accepted: own.array.map { $0 > 0 })
            losses.append(Float(loss(Variable(constant: own), Array(targets[pairs[jet]]), scale: 0, on: tape)))
        }
        return Predictions([
            "constituents": .init((0..<batch.count).map { batch.offsets[$0].count }),
            "labels": .init(batch.labels.map { Int($0) }),
            "vertex": .init(batch.constituentLabels[0].map { Int($0) }),
            "predicted_vertex": .init(found),
            "pair_scores": .init(logits.array.map { 1 / (1 + exp(-$0)) }),
            "vertexing_loss": .init(losses),
        ])
    }

    /// Means over the jets of `ari`, the one-sided adjusted Rand index of the decisions on pairs, also by the number of
    /// secondary vertices (the largest number of a true vertex), and of `ari_components`, the same for the vertices.
    /// Jets with a single track have no pair and no index. `hubert_arabie` is the index of Hubert and Arabie for the
    /// vertices, and `raw_pair_index` its formula for the decisions.
    package func measures(of predictions: Predictions) -> [Measure] {
        let (counts, scores) = (predictions.integers("constituents"), predictions.floats("pair_scores"))
        let losses = predictions.floats("vertexing_loss")
        let (truth, found) = (predictions.integers("vertex"), predictions.integers("predicted_vertex"))
        let main = ["ari", "ari_components", "hubert_arabie", "raw_pair_index", "vertexing_loss", "pair_accuracy"]
        var means = Dictionary(uniqueKeysWithValues: main.map { ($0, MeanOverJets()) })
        var (token, pair) = (0, 0)
        for (jet, count) in counts.enumerated() {
            func add(_ value: Double, weight: Double = 1, to names: String...) {
                for name in names { means[name, default: MeanOverJets()].add(value, weight: weight, jet: jet) }
            }
            let (tokens, pairs) = (token..<token + count, pair..<pair + count * (count - 1) / 2)
            (token, pair) = (tokens.upperBound, pairs.upperBound)
            let offsets = Offsets(counts: [count])
            func together(_ vertices: [Int]) -> [Bool] {
                offsets.mapPairs { vertices[tokens.lowerBound + $0] == vertices[tokens.lowerBound + $1] }
            }
            let (accepted, isTogether) = (scores[pairs].map { $0 > 0.5 }, together(truth))
            let right = zip(accepted, isTogether).count { $0 == $1 }
            add(Double(right), weight: Double(pairs.count), to: "pair_accuracy")
            add(Double(losses[jet]), weight: Double(pairs.count), to: "vertexing_loss")
            guard count > 1 else { continue }
            add(adjustedRandIndex(found[tokens], truth[tokens]), to: "hubert_arabie")
            add(rawPairIndex(accepted, isTogether), to: "raw_pair_index")
            // Vertex 0 is the primary vertex.
            let secondary = max(0, truth[tokens].max() ?? 0)
            add(
                oneSidedRandIndex(accepted, isTogether, items: count),
                to: "ari", "ari_\(secondary < 7 ? "\(secondary)" : "7_or_more")_secondary_vertices")
            add(oneSidedRandIndex(together(found), isTogether, items: count), to: "ari_components")
        }
        let names = main + means.keys.filter { !main.contains($0) }.sorted()
        let ordered = names.map { means[$0]! }
        return Bootstrap(jets: counts.count).measures(names) { counts in ordered.map { $0.mean(counts) } }
    }
}

extension Vertexing.Options: DownstreamTaskOptions {
    package init(root: Section) throws { try self.init(from: root.section("head")) }

    package var constituentLabels: [String] { ["vtx_id"] }

    package func makeTask(_ context: DownstreamContext) -> any DownstreamTask {
        Vertexing(self, width: context.width, seed: context.seed, in: context.scope)
    }
}
