/** 中文，沿用厂商的用词：图库、入库、检索、摘要、分类、图片签名。 */
export default {
  "library": "图库", "search": "检索", "duplicates": "去重", "state": "状态", "image": "图片", "compare": "对比",
  "navigation": "页面", "language": "语言", "theme": "深色或浅色", "skip": "跳到内容", "sign_out": "退出",
  "cancel": "取消", "close": "关闭", "save": "保存", "add": "入库", "delete": "删除", "edit": "编辑", "back": "返回", "copy": "复制", "copied": "已复制。", "stop": "停止",
  "yes": "是", "no": "否", "none": "无", "loading": "正在加载…", "failed": "操作未成功", "try_again": "重试", "request_id": "请求编号：",

  "sign_in": "登录", "api_key": "API Key", "api_key_invalid": "密钥只含 ASCII 字母、数字和符号，不含空格。", "api_key_hint": "您的租户的密钥。每次调用都会发送，从不写入磁盘。", "keep_key": "在此标签页中记住，直到关闭标签页",
  "read_only": "此密钥只能检索和浏览，不能修改。", "read_only_short": "只读",
  "unreachable": "无法连接网关，正在重试…", "no_library": "此密钥没有图库。",

  "images": "图片", "brief": "摘要", "no_brief": "没有摘要", "as_stored": "原文", "tags": "分类", "sign": "图片签名", "score": "相似度", "address": "网址",
  "size_of": "{count} 张，容量 {capacity} 张", "at_vendor": "在厂商云端",
  "all_images": "共 {n} 张图片，最新的在前", "found_images": "找到 {n} 张图片", "found_so_far": "最新的在前",
  "filter_brief": "按摘要筛选", "other_tag": "其他分类", "tags_and": "同时满足", "tags_or": "满足其一", "tags_hint": "最多两个，取值 1 至 65535", "tags_invalid": "最多两个数字，取值 1 至 65535。", "tag_logic": "分类的组合方式",
  "brief_bytes": "{n} / 256 字节", "brief_too_long": "摘要最长 256 字节，当前 {n} 字节。",
  "library_empty": "还没有图片", "library_empty_hint": "将图片拖到这里，或点击“入库”。", "library_empty_read": "目前没有可看的内容。", "nothing_found": "没有找到", "nothing_found_hint": "没有图片同时符合这些分类和摘要文字。",
  "cannot_list": "此图库无法浏览", "cannot_list_why": "它在厂商云端，其接口既不能列出图片，也不能返回图片。入库和检索照常可用。",
  "selection": "已选图片", "selected": "已选 {n} 张", "clear_selection": "取消选择", "count_unknown": "尚不知道共有多少张图片，请先滚动到末尾。", "selection_changed": "列表读取之后已有变化，因此未选择。正在重新读取。", "too_many_selected": "一次最多选择 {n} 张图片。",
  "set_tags": "设置分类", "set_tags_note": "这些分类将替换所选 {n} 张图片的分类；留空则清除。",
  "set_brief": "替换摘要", "set_brief_note": "将替换所选 {n} 张图片的摘要。", "changed_images": "已修改 {n} 张图片。",
  "delete_images": "删除 {n} 张图片？", "delete_n": "删除 {n} 张", "delete_warning": "此操作无法撤销：网关不保留副本。", "deleting": "正在删除", "deleted_images": "已删除 {n} 张图片。", "and_more": "另有 {n} 张",
  "add_images": "入库 {n} 张图片", "adding": "正在入库", "added_images": "已入库 {n} 张图片。", "brief_is_name": "文件名", "brief_is_name_hint": "留空则以文件名作为摘要。", "existed_already": "图库中已有此图片", "same_as": "与 {name} 相同，共 {n} 张",
  "bulk_progress": "{done} / {all}", "bulk_done": "已完成 {n} 项。", "bulk_failed": "{n} 项失败。", "bulk_left": "{n} 项未执行。", "bulk_retry": "重试其余 {n} 项",
  "not_an_image": "{name} 不是网关能读取的图片（{type}）。", "too_large": "{name} 大小为 {size}，网关最大接受 {max}，浏览器也无法将其缩小。", "scaled_down": "{name} 已从 {size} 缩小到 {now}，长边 {side} 像素。",

  "find_copies": "查找相同图", "is_thumbnail": "缩略图；未保存更大的预览图", "is_preview": "预览图；不保存原图", "sides": "尺寸", "pixels": "{width} × {height} 像素", "file_size": "文件大小", "added": "入库时间", "saved": "已保存。",
  "changed_elsewhere": "图片已在别处修改", "changed_elsewhere_text": "在您打开之后，此图片已被修改。现在的内容：", "overwrite": "覆盖其修改",

  "query": "检索图", "matches": "检索结果", "stored": "库中图片", "search_hint": "将图片拖放或粘贴到这里，或者", "choose_file": "选择文件", "camera": "拍照", "from_url": "通过网址", "from_url_note": "由网关获取图片，您的浏览器不会访问该网址。", "url_not_shown": "浏览器不访问此网址，因此不显示图片。",
  "pasted": "粘贴的图片", "photograph": "照片.jpg", "take_photo": "拍摄", "no_camera": "没有此页面可用的摄像头。", "searching": "正在检索…", "results_here": "检索结果显示在这里。",
  "least_score": "最低相似度", "only_tags": "限定分类", "matches_n": "{n} 个结果", "there_are_more": "还有更多", "no_match": "没有相同图", "no_match_hint": "图库中没有与此图整体或局部相同的图片。", "no_match_above": "全部 {n} 个结果都低于最低相似度。", "no_match_tagged": "具有这些分类的图片中没有相同图。其他图片中可能有：请去掉分类再检索。", "add_it": "将它入库",
  "overlap_is": "包含库图的 {share}", "agreement_is": "像素一致度 {share}",

  "comparing": "正在对比…", "nothing_to_compare": "没有可对比的图片", "nothing_to_compare_hint": "请先检索并在结果中点击“对比”，或在图库中选择两张图片。", "view": "显示方式", "view_side": "并排", "view_overlay": "叠加", "view_blink": "闪烁", "view_difference": "差异", "opacity": "不透明度",
  "same_as_whole": "整体相同", "not_same": "不是相同图", "no_geometry": "没有在另一张图中找到共同部分。", "query_not_shown": "浏览器无法显示检索图。", "hash_distance": "哈希的 256 位中有 {n} 位不同",
  "mirrored": "镜像", "turned_right": "向右旋转 {angle}°", "turned_left": "向左旋转 {angle}°", "smaller": "缩小到 {scale}", "larger": "放大到 {scale}", "shows": "库图的 {share}",

  "duplicates_title": "相同的图片", "duplicates_hint": "网关将所有图片相互比对，找到的分组会陆续显示；您可以离开，之后再继续。", "cannot_find_duplicates": "此图库无法查找重复图片", "find_duplicates": "查找重复", "find_again": "继续", "running": "正在比对…", "progress": "已比对的图片",
  "no_duplicates": "没有重复", "no_duplicates_hint": "图库中没有两张相同的图片。", "all_resolved": "所有分组都已处理", "compared": "已比对 {compared} / {total} 张", "groups_open": "{n} 组，{open} 组待定", "group_of": "{n} 张图片", "undecided": "待定", "accepted": "已确认", "not_the_same": "不相同", "accept": "确认", "accept_all": "确认已显示的 {n} 组", "keep": "保留", "nothing_left": "此组将不保留任何图片", "review_delete": "核对并删除（{n}）",
  "summary_of": "{groups} 组中的 {n} 张图片，文件共 {size}。保留的图片不变。", "kept_is_gone": "未删除：应保留的 {name} 已不在图库中。", "groups_emptied": "有 {n} 组将不保留任何图片。",

  "gateway": "网关", "version": "版本", "started": "启动时间", "tenant": "租户", "configuration": "配置", "config_ok": "使用中", "config_failed": "上次重新加载失败，仍使用之前的配置", "config_time": "读取时间", "quota": "配额", "no_quota": "无限制",
  "quota_rate": "每秒请求数", "quota_burst": "瞬时请求数", "quota_day": "今日请求数", "quota_bytes": "每秒字节数", "quota_concurrent": "同时请求数", "quota_rejected": "启动以来拒绝次数",
  "libraries": "图库", "backend": "后端", "backend.embedded": "内置引擎", "backend.rest": "厂商接口", "size": "大小", "storage": "存储", "storage_failing": "故障", "credentials": "凭证",
  "credential_name": "凭证", "credential_breaker": "熔断器", "credential_queue": "排队", "credential_token_age": "令牌时长", "credential_slots": "可用额度", "credential_cooldown": "冷却中", "credential_succeeded": "成功", "credential_failed": "失败", "breaker_closed": "闭合", "breaker_open": "断开", "breaker_half_open": "半开", "seconds": "{n} 秒",
  "last_calls": "最近调用", "errors_only": "仅错误", "call_time": "时间", "call_method": "方法", "call_library": "图库", "call_code": "状态码", "call_reason": "原因", "call_ms": "毫秒", "call_log_id": "log_id",

  "keys": "快捷键", "keys_here": "本页", "keys_everywhere": "所有页面", "keys_single": "启用单键快捷键（使用语音输入时请关闭）",
  "key_help": "显示快捷键", "key_filter": "筛选", "key_move": "移动", "key_extend": "扩大选择", "key_select": "选择", "key_open": "打开", "key_all": "全选", "key_clear": "取消选择", "key_tags": "设置分类", "key_brief": "替换摘要", "key_delete": "删除", "key_copies": "查找相同图", "key_edit": "编辑", "key_back": "返回", "key_file": "选择文件", "key_camera": "拍照", "key_url": "通过网址", "key_paste": "粘贴图片", "key_next": "下一个结果", "key_previous": "上一个结果", "key_compare": "对比", "key_find": "查找重复", "key_next_group": "下一组", "key_previous_group": "上一组", "key_next_image": "下一张", "key_previous_image": "上一张", "key_toggle_keep": "保留或删除", "key_accept": "确认", "key_different": "不相同", "key_review": "核对并删除", "key_reload": "重新读取",

  "error.UNREACHABLE": "无法连接网关。", "error.CREDENTIALS_MISSING": "需要 API Key。", "error.CREDENTIALS_INVALID": "网关不认识此密钥。", "error.CREDENTIALS_EXPIRED": "令牌已过期，请用新的令牌登录。", "error.READ_ONLY_KEY": "此密钥只能检索和浏览，不能修改。",
  "error.LIBRARY_NOT_FOUND": "此密钥没有这个图库。", "error.IMAGE_NOT_FOUND": "图库中已没有这张图片。", "error.OVERLOADED": "网关繁忙，请稍后再试。", "error.OPERATION_UNSUPPORTED": "此图库不支持该操作。", "error.unauthenticated": "网关不接受此密钥。", "error.unavailable": "网关或厂商暂不可用。", "error.resource_exhausted": "已达到限制。", "error.deadline_exceeded": "耗时过长。",
};
