import NN
import Tensors

/// Where the values of a parameter stand in a reference file: in a tensor, or in a part of the rows of one
/// that is fused there.
package struct GoldenPlace {
    let name: String
    /// The part that begins after this fraction of the tensor.
    let start: (numerator: Int, denominator: Int)

    /// A whole tensor, or the part of a fused one that begins after `numerator / denominator` of it.
    package init(_ name: String, after numerator: Int = 0, of denominator: Int = 1) {
        self.name = name
        start = (numerator, denominator)
    }

    /// The elements of a parameter of `count` elements in a tensor of `total`.
    func range(_ count: Int, of total: Int) -> Range<Int>? {
        let first = total * start.numerator / start.denominator
        return first + count <= total && (start.denominator > 1 || count == total)
            ? first..<first + count : nil
    }
}

extension ParameterStore {
    /// Sets every parameter from where it stands in the reference file; all that the file holds has to be
    /// used.
    package func load(_ file: GoldenFile, places: (String) -> GoldenPlace) throws {
        var used = 0
        for parameter in parameters {
            let place = places(parameter.name)
            let values = try file.floats("param.\(place.name)")
            guard let range = place.range(parameter.range.count, of: values.count) else {
                throw GoldenFile.Failure(description: "\(parameter.name) does not fit param.\(place.name)")
            }
            _ = parameter.variable.value.buffer.update(fromContentsOf: values[range])
            used += range.count
        }
        let total = try file.names.filter { $0.hasPrefix("param.") }.reduce(0) {
            try $0 + file.floats($1).count
        }
        guard used == total else {
            throw GoldenFile.Failure(description: "\(used) of \(total) values of parameters are used")
        }
    }

    /// The gradients that are missing, or off by more than the tolerance, in words; empty when all agree. A
    /// part of a fused tensor is held against the largest magnitude of the whole.
    package func gradientErrors(_ file: GoldenFile, places: (String) -> GoldenPlace, precision: Precision = .single)
        throws
        -> [String]
    {
        try parameters.compactMap { parameter in
            let place = places(parameter.name)
            let expected = try file.floats("grad.param.\(place.name)")
            guard let gradient = parameter.variable.gradient,
                let range = place.range(parameter.range.count, of: expected.count)
            else { return "\(parameter.name) has no gradient" }
            var all = expected
            all.replaceSubrange(range, with: gradient.array)
            // A gradient that is zero in theory is compared with one.
            let vanishes = expected.allSatisfy { abs($0) < 1e-9 }
            let error = vanishes ? gradient.array.map(abs).max() ?? 0 : precision.error(all, expected)
            return error > precision.goldenTolerance ? "the gradient of \(parameter.name) is off by \(error)" : nil
        }
    }
}
