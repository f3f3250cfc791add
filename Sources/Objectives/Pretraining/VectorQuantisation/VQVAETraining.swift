import Configuration
import Jets
import MPI
import Models
import NN
import Tensors

/// Trains a VQ-VAE whose codes are tokens of constituents (Golling et al., arXiv:2401.13537):
///
///     loss = mean |x − x̂| + w · [(1 − β) d(z, sg e) + β d(sg z, e)]
///
/// with latent vectors z, their codes e, the stop-gradient sg, and the commitment weight w (10 by default). The mean is
/// over all values, or the sum over the features, averaged over the constituents of a jet and then over the jets.
///
/// The codebook is initialised with the k-means centroids of the untrained encoder's latent vectors. A code that no
/// constituent of the global batch has used for a number of steps is reset to a random latent vector of the batch. All
/// of this is the same on any number of ranks.
package final class VQVAETraining: Objective {
    /// Sections of a configuration with `objective: vqvae`.
    package struct Options: Sendable {
        /// Reduction of the reconstruction loss.
        package enum Reduction: String, CaseIterable, Sendable {
            /// The mean over features and constituents.
            case mean
            /// The sum over features, the mean over the constituents of a jet, and the mean over jets.
            case sum
        }

        package var model = VQVAEOptions()
        package var reduction = Reduction.mean
        package var commitmentWeight = 10.0
        /// The commitment loss is evaluated once in this number of steps.
        package var commitmentInterval = 4
        /// Number of steps after which an unused code is reset.
        package var revivalSteps = 100
        /// Number of jets that the codebook is first fitted to.
        package var fitJets = 2000
        /// Number of Lloyd iterations of that fit.
        package var iterations = 10

        package init() {}

        /// Decodes the sections from the root. Throws `ConfigurationError`.
        package init(from root: Section) throws {
            model = try VQVAEOptions(from: root.section("model", .inherited))
            let section = try root.section("vqvae")
            reduction = try section.choice(
                "reduction", default: reduction,
                help: "reconstruction loss: the mean over features and constituents, or the sum over the features, "
                    + "averaged over the constituents of each jet and then over the jets")
            commitmentWeight = try section.double(
                "commitment_weight", default: commitmentWeight, in: .nonNegative,
                help: "weight of the commitment loss")
            commitmentInterval = try section.int(
                "commitment_interval", default: commitmentInterval, in: .positive,
                help: "steps between commitment losses")
            revivalSteps = try section.int(
                "revival_steps", default: revivalSteps, in: .positive,
                help: "number of steps without use after which a code is reset to a latent vector of the batch")
            fitJets = try section.int(
                "fit_jets", default: fitJets, in: .positive,
                help: "number of jets whose latent vectors initialise the codebook")
            iterations = try section.int(
                "iterations", default: iterations, in: .positive, help: "iterations of k-means")
        }
    }

    package let parameters: ParameterStore
    package let terms: [LossTerm]
    /// The reconstruction: the commitment grows while it improves, because the latent vectors spread.
    package var selectingTerm: LossTerm? { terms[0] }
    package let monitors: [TrainingMeasure] = [.codeUsage, .perplexity]
    /// The network.
    package let model: VQVAE
    private let options: Options
    private let hasDropout: Bool
    private let seed: UInt64
    private var ages: CodeAges
    /// Codes used on this rank in the current step or validation.
    private var usage: CodeUsage
    private var candidates: RevivalCandidates

    package init(_ options: Options, _ jets: JetShape, seed: UInt64) {
        let shape = options.model.shape(features: jets.features)
        let builder = ParameterBuilder()
        model = VQVAE(shape, in: builder.root)
        parameters = builder.build(seed: seed)
        terms = [
            LossTerm(name: "reconstruction", weight: 1), LossTerm(name: "commitment", weight: options.commitmentWeight),
        ]
        ages = CodeAges(codes: shape.quantiser.codes)
        usage = CodeUsage(codes: shape.quantiser.codes)
        candidates = RevivalCandidates()
        hasDropout = shape.encoder.dropout > 0 || shape.decoder.dropout > 0
        self.options = options
        self.seed = seed
    }

    package func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let jets = Constituents(batch)
        let isCommitted =
            switch phase {
            case .training(let step): step % options.commitmentInterval == 0
            case .validation: true
            }
        let keys = batch.dropoutKeys(phase, isUsed: hasDropout, seed: seed)
        let offsets = jets.offsets
        let items =
            switch options.reduction {
            case .mean: jets.values.count
            case .sum: (0..<offsets.jets).count { !offsets[$0].isEmpty }
            }
        let counts = [Double(items), isCommitted ? Double(batch.tokenCount) : 0]
        return MicroBatch(counts: counts) { [self] scales, tape in
            let output = model(jets, commitmentScale: scales[1], keys: keys, on: tape)
            usage.add(output.codes)
            if phase.isTraining {
                candidates.add(output.latents, of: batch, keeping: expiring, seed: seed)
            }
            let loss =
                switch options.reduction {
                case .mean: tape.l1Loss(output.reconstruction, target: jets.values, scale: scales[0])
                case .sum:
                    tape.l1Loss(
                        output.reconstruction, target: jets.values,
                        weights: (0..<offsets.jets).map { 1 / Float(max(1, offsets[$0].count)) }, offsets: offsets,
                        scale: scales[0])
                }
            return [loss, isCommitted ? output.commitment : 0]
        } predict: { [self] preprocessing, tape in
            predictions(batch, preprocessing, on: tape)
        }
    }

    /// Number of codes that will be reset unless this step uses them.
    private var expiring: Int { ages.ages.count { $0 + 1 >= options.revivalSteps } }

    package func stepDidEnd(_ step: Int, isSkipped: Bool, on communicator: Communicator) throws -> [Double] {
        let expiring = expiring
        let found = try summedUsage(on: communicator)
        let local = candidates
        candidates = RevivalCandidates()
        guard !isSkipped else { return monitors(of: found) }
        ages.update(found)
        if expiring > 0 {
            // Collective: `expiring` is equal on all ranks.
            let latents = try local.lowest(expiring, dimension: model.quantiser.shape.dimension, on: communicator)
            let expired = ages.takeExpired(after: options.revivalSteps, atMost: latents.rows)
            for (row, code) in expired.enumerated() {
                model.quantiser.setCode(code, to: latents.rows(row..<row + 1).array)
            }
        }
        return monitors(of: found)
    }

    package func validationDidEnd(on communicator: Communicator) throws -> [Double] {
        monitors(of: try summedUsage(on: communicator))
    }

    private func summedUsage(on communicator: Communicator) throws -> CodeUsage {
        defer { usage = CodeUsage(codes: usage.counts.count) }
        return CodeUsage(counts: try communicator.allReduce(usage.counts))
    }

    /// The fraction of codes in use, and the perplexity.
    private func monitors(of usage: CodeUsage) -> [Double] {
        [Double(usage.used) / Double(usage.counts.count), usage.perplexity]
    }

    package var fitsParameters: Bool { true }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {
        let shape = model.quantiser.shape
        let sample = try KMeans.sample(jets: options.fitJets, from: jets, on: communicator) { [model] batch in
            // Jet by jet, so that rounding does not depend on the distribution of the jets over the ranks.
            let latents = Tensor(shape: [batch.tokenCount, shape.dimension])
            for jet in 0..<batch.count where !batch.offsets[jet].isEmpty {
                let own = model.latents(of: Constituents(batch.slice(jets: jet..<jet + 1)))
                (latents.pointer + batch.offsets[jet].lowerBound * shape.dimension).update(
                    from: own.pointer, count: own.count)
            }
            return latents
        }
        let fit = try KMeans.fit(
            sample, clusters: shape.codes, iterations: options.iterations,
            advice: "raise vqvae.fit_jets or lower model.quantiser.codes", on: communicator)
        for code in 0..<shape.codes { model.quantiser.setCode(code, to: fit.centroids.rows(code..<code + 1).array) }
        report("codebook: \(shape.codes) centroids of the latent vectors of \(fit.points) constituents")
    }

    package var state: ObjectiveState {
        var state = ObjectiveState()
        state.integers["ages"] = ages.ages
        return state
    }

    package func restore(_ state: ObjectiveState) throws {
        ages = CodeAges(ages: try state.integers("ages", count: ages.ages.count))
    }

    /// pT and mass [GeV] of every jet, original and decoded.
    private func predictions(_ batch: JetBatch, _ preprocessing: any Preprocessing, on tape: Tape) -> Predictions {
        let jets = Constituents(batch)
        let decoded = model.decode(model.codes(of: jets, on: tape), offsets: jets.offsets, on: tape)
        func observables(_ values: Tensor) -> JetObservables? {
            let stored = preprocessing.inverse(values.array)
            return JetObservables.momenta(of: stored, features: preprocessing.features).map {
                JetObservables(momenta: $0, offsets: jets.offsets)
            }
        }
        func column(_ values: [Double]) -> Predictions.Column { .init(values.map { Float($0) }) }
        let labels = Predictions.Column(batch.labels.map { Int($0) })
        guard let before = observables(batch.values), let after = observables(decoded) else {
            return Predictions(["labels": labels])
        }
        return Predictions([
            "jet_pt": column(before.transverseMomenta), "jet_mass": column(before.masses),
            "decoded_jet_pt": column(after.transverseMomenta), "decoded_jet_mass": column(after.masses),
            "labels": labels,
        ])
    }

    package func measures(of predictions: Predictions) -> [Measure] {
        let observables = ["jet_pt", "jet_mass"].filter { predictions.columns[$0] != nil }
        let bootstrap = Bootstrap(jets: observables.first.map { predictions.floats($0).count } ?? 0)
        return observables.flatMap { name in
            let samples = [name, "decoded_" + name].map { SortedValues(predictions.floats($0)) }
            let names = ["median_" + name, "median_decoded_" + name, "median_\(name)_ratio"]
            return bootstrap.measures(names) { counts in
                let medians = samples.map { sample in
                    let values = counts.map(sample.resampled) ?? sample.values
                    return values.isEmpty ? .nan : quantile(0.5, ofSorted: values)
                }
                return medians + [medians[1] / medians[0]]
            }
        }
    }
}
