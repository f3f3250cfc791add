/// The candidate that `word` most likely misspells, nil if none is near.
///
/// Near is an edit distance (insertions, deletions, substitutions, swaps of neighbours) of at most a third of the
/// longer word's length, and at least one; case and the choice between `-` and `_` are ignored.
func nearest(to word: String, among candidates: [String]) -> String? {
    let target = folded(word)
    var best: (candidate: String, distance: Int)?
    for candidate in candidates where candidate != word {
        let other = folded(candidate)
        let limit = max(1, max(target.count, other.count) / 3)
        // Words of very different lengths cannot be near, and a very long one would take long to compare.
        guard abs(target.count - other.count) <= limit else { continue }
        let distance = editDistance(target, other)
        if distance <= limit, distance < min(other.count, best?.distance ?? .max) {
            best = (candidate, distance)
        }
    }
    return best?.candidate
}

/// The question at the end of an error about `word`; empty if no candidate is near.
package func suggestion(for word: String, among candidates: [String]) -> String {
    nearest(to: word, among: candidates).map { "; did you mean '\($0)'?" } ?? ""
}

private func folded(_ word: String) -> [Character] {
    word.lowercased().map { $0 == "-" ? "_" : $0 }
}

/// The optimal string alignment distance.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var distance = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                distance = min(distance, beforeLast[j - 1] + 1)
            }
            row.append(distance)
        }
        beforeLast = last
        last = row
    }
    return last[b.count]
}
